"""``dosepredict predict`` as a fork of this process, which has all libraries loaded: a start takes milliseconds.

What is forked runs the command's and the worker's own code; only the start of a Python interpreter is left out.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.cli import main as cli
from DosePredictLib.cli import running
from DosePredictLib.worker import __main__ as worker
from DosePredictLib.worker.protocol import JobFolder

LATE = (  # what the command and the worker import when they need it
    "torch", "matplotlib.pyplot", "SimpleITK", "DosePredictLib.cli.predict", "DosePredictLib.inference.predictor",
    "DosePredictLib.inference.export", "DosePredictLib.inference.domain", "DosePredictLib.io.case",
    "DosePredictLib.io.rtdose_writer", "DosePredictLib.worker.job", "DosePredictLib.worker.reports",
    "DosePredictLib.worker.histograms", "DosePredictLib.evaluation.report",
)  # fmt: skip
RESULTS = {".dcm", ".html", ".json", ".csv"}
WAIT_S = 120


@dataclass
class Command:
    """A forked process; like subprocess.Popen. when: seconds after its start at which it was disturbed."""

    pid: int
    returncode: int | None = None
    when: str = ""

    def send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float = WAIT_S) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The process has not ended after {timeout} s.")
            time.sleep(0.01)
        return self.returncode or 0


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

    @property
    def said(self) -> str:
        """What the command printed."""
        file = self.root / "said"
        return file.read_text(errors="replace").strip() if file.exists() else ""

    @property
    def worker(self) -> int | None:
        """The process of the worker, once there is one and while it lives."""
        file = self.root / "worker.pid"
        pid = int(file.read_text() or 0) if file.exists() else 0
        return pid if pid and _is_running(pid) else None

    def start(self, **limits: int) -> Command:
        """limits: of the operating system, by their names in ``resource``."""
        for module in LATE:
            import_module(module)
        self.jobs.mkdir(exist_ok=True)
        pid = os.fork()
        if pid == 0:
            _end_with(partial(_as_command, self, limits))
        return Command(pid)

    def kill_worker(self) -> None:
        if pid := self.worker:
            os.kill(pid, signal.SIGKILL)

    def job_folders(self) -> list[Path]:
        return [path for path in self.jobs.iterdir() if path.name.startswith("dosepredict-")]

    def result(self) -> str:
        """complete (the files of a prediction, readable), absent, or partial."""
        files = [path for path in self.out.rglob("*") if path.is_file()] if self.out.exists() else []
        if not files:
            return "absent"
        return "complete" if {path.suffix for path in files} == RESULTS and all(map(_is_whole, files)) else "partial"


def _as_command(place: Place, limits: dict[str, int]) -> int:
    """In the fork: be the command, with the worker as a fork of its own."""
    said = os.open(place.root / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.environ |= {"TMPDIR": str(place.jobs), "DOSEPREDICT_MODELS": str(place.models), "XDG_DATA_HOME": str(place.root / "home")}
    tempfile.tempdir = None
    running.start = partial(_start_worker, place)  # type: ignore[assignment]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born to ignore it
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    words = ["predict", str(place.case), "--out", str(place.out), "--model", "tiny", "--device", "cpu", "--grid", "ct"]
    return cli.main([*words, "--progress", "none"])


def _start_worker(place: Place, job: JobFolder) -> Command:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_with(partial(worker.main, [str(job.path)]))
    (place.root / "worker.pid").write_bytes(str(pid).encode())
    return Command(pid)


def _end_with(run: Callable[[], int]) -> NoReturn:
    """End the fork, as Python ends with an exception that nobody catches; whatever happens, it must not go on as its parent."""
    code = 1
    try:
        code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _is_running(pid: int) -> bool:
    """A zombie is not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _is_whole(path: Path) -> bool:
    import json

    import pydicom

    if path.suffix == ".json":
        return bool(json.loads(path.read_text()))
    if path.name.startswith("RD"):
        return bool(pydicom.dcmread(path).pixel_array.any())
    return path.stat().st_size > 0
