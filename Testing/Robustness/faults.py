"""Does to a prediction what a bad day does, and looks at what is left.

    python Testing/Robustness/faults.py [--times 50] [--seed 1] [--only FAULT] [--json FILE]

Each time a whole ``dosepredict predict`` is started on a small synthetic patient with an untrained model, disturbed, and
examined: a result must be complete or absent, no process may live on, and no folder of a job may stay behind, at the latest
after the next start. Linux only; the full disk is a tmpfs where the system lets us mount one.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from small_cases import small_cases

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = {".dcm": 2, ".html": 1, ".json": 1, ".csv": 1}  # of a prediction without a planned dose
WAIT_S = 120
MB = 1 << 20


@dataclass(frozen=True)
class Finding:
    """What one disturbed run came to. wrong: what must not be, empty where all is well."""

    fault: str
    when: str
    exit_code: int
    said: str
    result: str  # complete, absent or partial
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """The folders of one run; ``jobs`` is what TMPDIR names."""

    root: Path
    case: Path
    models: Path

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def out(self) -> Path:
        return self.root / "out"

    def start(self, **limits: int) -> subprocess.Popen[str]:
        """The command, with limits of the operating system by their names in ``resource``."""

        def limit() -> None:
            for name, value in limits.items():
                resource.setrlimit(getattr(resource, name), (value, value))

        words = ["predict", str(self.case), "--out", str(self.out), "--model", "tiny", "--device", "cpu", "--progress", "none"]
        self.jobs.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "DosePredictLib", *words],
            cwd=REPOSITORY,
            env=os.environ | {"TMPDIR": str(self.jobs), "DOSEPREDICT_MODELS": str(self.models), "OMP_NUM_THREADS": "1",
                              "XDG_DATA_HOME": str(self.root / "home")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit,
        )  # fmt: skip

    def workers(self) -> list[int]:
        """Processes whose command line names a job in this place."""
        return [pid for pid in _processes() if "DosePredictLib.worker" in (line := _command_line(pid)) and str(self.jobs) in line]

    def job_folders(self) -> list[Path]:
        return [path for path in self.jobs.iterdir() if path.name.startswith("dosepredict-")]

    def result(self) -> str:
        """Complete means: the files of a prediction, the report readable and the dose as large as its header says."""
        files = [path for path in self.out.rglob("*") if path.is_file()] if self.out.exists() else []
        if not files:
            return "absent"
        return "complete" if Counter(path.suffix for path in files) == RESULTS and _are_whole(files) else "partial"


Fault = Callable[[Place, Random, float], subprocess.Popen[str]]


def worker_killed(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    return _signalled(place, chance, usual_s, lambda command: [os.kill(pid, signal.SIGKILL) for pid in place.workers()])


def cancelled(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    """Ctrl-C in the terminal."""
    return _signalled(place, chance, usual_s, lambda command: command.send_signal(signal.SIGINT))


def command_ended(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    """SIGTERM: logging off, shutting down."""
    return _signalled(place, chance, usual_s, lambda command: command.terminate())


def command_killed(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    return _signalled(place, chance, usual_s, lambda command: command.kill())


def both_killed(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    """As when the power fails."""

    def kill(command: subprocess.Popen[str]) -> None:
        command.send_signal(signal.SIGSTOP)
        for pid in place.workers():
            os.kill(pid, signal.SIGKILL)
        command.kill()

    return _signalled(place, chance, usual_s, kill)


def temporary_disk_full(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    with _small_disk(place.jobs, chance):
        return _ended(place.start())


def disk_of_results_full(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    with _small_disk(place.out, chance):
        command = _ended(place.start())
        kept = place.root / "kept"
        shutil.copytree(place.out, kept)
    shutil.rmtree(place.out)
    kept.rename(place.out)
    return command


def files_limited(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    """No file may become larger than some kB (RLIMIT_FSIZE)."""
    return _ended(place.start(RLIMIT_FSIZE=chance.choice([0, 200, 2000, 20_000, 50_000, 200_000])))


def memory_limited(place: Place, chance: Random, usual_s: float) -> subprocess.Popen[str]:
    """The address space ends somewhere between what Python needs and what a prediction needs (RLIMIT_AS)."""
    return _ended(place.start(RLIMIT_AS=int(chance.uniform(100, 3000)) * MB))


FAULTS: tuple[Fault, ...] = (
    worker_killed, cancelled, command_ended, command_killed, both_killed, temporary_disk_full, disk_of_results_full,
    files_limited, memory_limited,
)  # fmt: skip


class Bench:
    """The patient and the model, and how long an undisturbed run takes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.case, self.models = folder, folder / "case", folder / "models"
        self.case.mkdir()
        for name, data in next(small_cases(None)).files.items():
            if name != "RD.dcm":  # comparing with a planned dose takes long and is not the matter here
                (self.case / name).write_bytes(data)
        write_tiny_model(self.models / "tiny")
        start = time.monotonic()
        self.run_undisturbed()
        self.usual_s = time.monotonic() - start

    def run_undisturbed(self) -> None:
        """Raises RuntimeError where even that does not give a result."""
        with self.place() as place:
            command = _ended(place.start())
            if command.returncode or place.result() != "complete":
                raise RuntimeError(f"an undisturbed run failed: {command.said}")

    def disturb(self, fault: Fault, chance: Random) -> Finding:
        with self.place() as place:
            command = fault(place, chance, self.usual_s)
            result, wrong = place.result(), list(_what_is_wrong(place, command))
            wrong += _what_stays(place)
            return Finding(fault.__name__, getattr(command, "when", ""), command.returncode, command.said, result, tuple(wrong))

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

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    network = {"distance_maps": 11, "widths": (8, 8, 8, 8), "time_width": 8, "stem": 2, "patch": 1}
    recipe = Recipe(model="dosediff", network=network, spacing_mm=(8.0, 8.0, 6.0), steps=2)
    weights.save(build(recipe.model, recipe.network), recipe, folder / WEIGHTS)
    card = {"id": "tiny", "version": "0", "title": "Untrained", "weights_sha256": sha256(folder / WEIGHTS)}
    (folder / CARD).write_text(json.dumps(card))


def _signalled(place: Place, chance: Random, usual_s: float, send: Callable[[subprocess.Popen[str]], object]):
    """Start, wait for a random part of the usual time, disturb, wait for the end."""
    command, wait = place.start(), chance.uniform(0, 1.05) * usual_s
    time.sleep(wait)
    send(command)
    command.when = f"{wait:.2f} s"
    return _ended(command)


def _ended(command: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Its last words are kept as ``said``."""
    _, said = command.communicate(timeout=WAIT_S)
    command.said = said.strip()
    return command


@contextmanager
def _small_disk(folder: Path, chance: Random) -> Iterator[None]:
    folder.mkdir()
    size = chance.choice([4, 8, 16, 32, 48, 64, 96, 128, 192]) << 10
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _what_is_wrong(place: Place, command: subprocess.Popen[str]) -> Iterator[str]:
    result = place.result()
    if command.returncode == 0 and result != "complete":
        yield f"said done with a result that is {result}"
    if command.returncode != 0 and result == "partial":
        yield "a partial result: " + ", ".join(sorted(path.name[:3] + path.suffix for path in place.out.rglob("*")))
    if command.returncode > 0 and (command.said.count("\n") or "Traceback" in command.said):
        yield "more than a sentence"
    deadline = time.monotonic() + 5
    while place.workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    if place.workers():
        yield "an orphan"
        for pid in place.workers():
            os.kill(pid, signal.SIGKILL)


def _what_stays(place: Place) -> Iterator[str]:
    """Folders of jobs must be gone; after a power failure, at the next start."""
    from DosePredictLib.worker.protocol import JobFolder, Request

    if place.jobs.exists() and place.job_folders():
        before = tempfile.tempdir
        try:
            tempfile.tempdir = str(place.jobs)
            JobFolder.create(Request(kind="predict", paths=(), model="tiny")).remove()
        finally:
            tempfile.tempdir = before
        if place.job_folders():
            yield "a job folder stayed behind"


def _are_whole(files: list[Path]) -> bool:
    import pydicom

    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text())
        if path.suffix == ".dcm" and path.name.startswith("RD"):
            assert pydicom.dcmread(path).pixel_array.any()
    return True


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for fault in FAULTS:
            if options.only not in (None, fault.__name__):
                continue
            for number in range(options.times):
                findings.append(bench.disturb(fault, Random(f"{options.seed} {fault.__name__} {number}")))
                if findings[-1].wrong:
                    print(json.dumps(asdict(findings[-1])), flush=True)
            bench.run_undisturbed()
        print(f"an undisturbed run takes {bench.usual_s:.1f} s")
    print(table(findings))
    if options.json:
        options.json.write_text("\n".join(json.dumps(asdict(finding)) for finding in findings))
    return int(any(finding.wrong for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
