"""Does to a prediction what a bad day does, and looks at what is left.

    python Testing/Robustness/faults.py [--times 50] [--seed 1] [--only FAULT] [--json FILE]

Each time a whole ``dosepredict predict`` is started on a tiny synthetic patient with an untrained model, disturbed, and
examined: a result must be complete or absent, no process may live on, and no folder of a job may stay behind, at the latest
after the next start. Linux only; the full disk is a tmpfs, which only root may mount.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from forked_command import Command, Place
from small_cases import doll, small_cases

from DosePredictLib.worker.protocol import JobFolder, Request

MB = 1 << 20
Fault = Callable[[Place, Random, float], Command]


@dataclass(frozen=True)
class Finding:
    """What one disturbed run came to. wrong: what must not be, empty where all is well."""

    fault: str
    when: str
    exit_code: int
    said: str
    result: str  # complete, absent or partial
    wrong: tuple[str, ...]


def worker_killed(place: Place, chance: Random, usual_s: float) -> Command:
    return _disturbed(place, chance, usual_s, lambda command: place.kill_worker())


def cancelled(place: Place, chance: Random, usual_s: float) -> Command:
    """Ctrl-C in the terminal."""
    return _disturbed(place, chance, usual_s, lambda command: command.send(signal.SIGINT))


def command_ended(place: Place, chance: Random, usual_s: float) -> Command:
    """SIGTERM: logging off, shutting down."""
    return _disturbed(place, chance, usual_s, lambda command: command.send(signal.SIGTERM))


def command_killed(place: Place, chance: Random, usual_s: float) -> Command:
    return _disturbed(place, chance, usual_s, lambda command: command.kill())


def both_killed(place: Place, chance: Random, usual_s: float) -> Command:
    """As when the power fails."""

    def kill(command: Command) -> None:
        command.send(signal.SIGSTOP)
        place.kill_worker()
        command.kill()

    return _disturbed(place, chance, usual_s, kill)


def temporary_disk_full(place: Place, chance: Random, usual_s: float) -> Command:
    with _small_disk(place.jobs, chance):
        return _ended(place.start())


def disk_of_results_full(place: Place, chance: Random, usual_s: float) -> Command:
    with _small_disk(place.out, chance):
        command = _ended(place.start())
        kept = shutil.copytree(place.out, place.root / "kept")
    shutil.rmtree(place.out)
    kept.rename(place.out)
    return command


def files_limited(place: Place, chance: Random, usual_s: float) -> Command:
    """No file may become larger than some kB (RLIMIT_FSIZE)."""
    return _ended(place.start(RLIMIT_FSIZE=chance.choice([0, 200, 2000, 20_000, 50_000, 200_000])))


def memory_limited(place: Place, chance: Random, usual_s: float) -> Command:
    """The address space ends somewhat above what the loaded libraries take (RLIMIT_AS)."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return _ended(place.start(RLIMIT_AS=taken + int(chance.uniform(0.5, 60) * MB)))


FAULTS: tuple[Fault, ...] = (
    worker_killed, cancelled, command_ended, command_killed, both_killed, temporary_disk_full, disk_of_results_full,
    files_limited, memory_limited,
)  # fmt: skip
NEED_ROOT = (temporary_disk_full, disk_of_results_full)


class Bench:
    """The patient and the model, and how long an undisturbed run takes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.case, self.models = folder, folder / "case", folder / "models"
        self.case.mkdir()
        for name, data in doll(next(small_cases(None))).files.items():
            (self.case / name).write_bytes(data)
        write_tiny_model(self.models / "tiny")
        self.run_undisturbed()  # the first one loads the libraries
        self.usual_s = self.run_undisturbed()

    def run_undisturbed(self) -> float:
        """Seconds it took. Raises RuntimeError where even that does not give a result."""
        start = time.monotonic()
        with self.place() as place:
            command = _ended(place.start())
            if command.returncode or place.result() != "complete":
                raise RuntimeError(f"an undisturbed run failed: {place.said}")
        return time.monotonic() - start

    def disturb(self, fault: Fault, chance: Random) -> Finding:
        with self.place() as place:
            command = fault(place, chance, self.usual_s)
            wrong = (*_what_is_wrong(place, command), *_what_stays(place))
            code, said = command.returncode or 0, place.said
            return Finding(fault.__name__, command.when, code, said, place.result(), wrong)

    @contextmanager
    def place(self) -> Iterator[Place]:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="run-") as root:
            yield Place(Path(root), self.case, self.models)


def write_tiny_model(folder: Path) -> None:
    """DoseDiff at its smallest, untrained."""
    import torch

    from DosePredictLib.core import Recipe
    from DosePredictLib.inference import weights
    from DosePredictLib.models import build
    from DosePredictLib.registry import CARD, WEIGHTS, sha256

    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    network = {"distance_maps": 11, "widths": (8, 8, 8, 8), "time_width": 8, "stem": 2, "patch": 1}
    recipe = Recipe(model="dosediff", network=network, spacing_mm=(2.0, 2.0, 1.2), steps=2)
    weights.save(build(recipe.model, recipe.network), recipe, folder / WEIGHTS)
    card = {"id": "tiny", "version": "0", "title": "Untrained", "weights_sha256": sha256(folder / WEIGHTS)}
    (folder / CARD).write_text(json.dumps(card))


def _disturbed(place: Place, chance: Random, usual_s: float, disturb: Callable[[Command], object]) -> Command:
    """Start, wait for a random part of the usual time, disturb, wait for the end."""
    command, wait = place.start(), chance.uniform(0, 1.05) * usual_s
    time.sleep(wait)
    disturb(command)
    command.when = f"{wait:.2f} s"
    return _ended(command)


def _ended(command: Command) -> Command:
    command.wait()
    return command


@contextmanager
def _small_disk(folder: Path, chance: Random) -> Iterator[None]:
    folder.mkdir()
    size = chance.choice([4, 8, 16, 32, 64, 128, 256, 512]) << 10
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _what_is_wrong(place: Place, command: Command) -> Iterator[str]:
    result, code = place.result(), command.returncode or 0
    if code == 0 and result != "complete":
        yield f"said done with a result that is {result}"
    if code != 0 and result == "partial":
        yield "a partial result"
    if code > 0 and "Traceback" in place.said:
        yield "a traceback"
    deadline = time.monotonic() + 10
    while place.worker and time.monotonic() < deadline:
        time.sleep(0.05)
    if place.worker:
        yield "an orphan"
        place.kill_worker()


def _what_stays(place: Place) -> Iterator[str]:
    """Folders of jobs must be gone, at the latest after the next start."""
    if not place.jobs.exists():
        return
    before, tempfile.tempdir = tempfile.tempdir, str(place.jobs)
    try:
        JobFolder.create(Request(kind="predict", paths=(), model="tiny")).remove()
    finally:
        tempfile.tempdir = before
    if place.job_folders():
        yield "a job folder stayed behind"


def table(findings: list[Finding]) -> str:
    lines = ["| fault | times | complete | nothing | partial | exit codes | wrong |", "|---|---:|---:|---:|---:|---|---|"]
    for fault in dict.fromkeys(f.fault for f in findings):
        mine = [f for f in findings if f.fault == fault]
        results, codes = Counter(f.result for f in mine), Counter(f.exit_code for f in mine)
        said = ", ".join(f"{code}: {n}" for code, n in sorted(codes.items()))
        wrong = "; ".join(f"{n} x {what}" for what, n in Counter(w for f in mine for w in f.wrong).items()) or "none"
        counts = f"{results['complete']} | {results['absent']} | {results['partial']}"
        lines.append(f"| {fault.replace('_', ' ')} | {len(mine)} | {counts} | {said} | {wrong} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for fault in FAULTS:
            if options.only not in (None, fault.__name__) or (fault in NEED_ROOT and os.geteuid() != 0):
                continue
            for number in range(options.times):
                findings.append(bench.disturb(fault, Random(f"{options.seed} {fault.__name__} {number}")))
                if findings[-1].wrong:
                    print(json.dumps(asdict(findings[-1])), flush=True)
            bench.run_undisturbed()
            print(table([f for f in findings if f.fault == fault.__name__]).splitlines()[-1], flush=True)
        print(f"an undisturbed run takes {bench.usual_s:.1f} s")
    print(table(findings))
    if options.json:
        options.json.write_text("\n".join(json.dumps(asdict(finding)) for finding in findings))
    return int(any(finding.wrong for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
