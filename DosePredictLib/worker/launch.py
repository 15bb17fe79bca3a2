"""The caller's half: starts a worker, follows its progress, stops it; standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from .protocol import Event, JobFolder, Outcome, Tail, outcome

Worker = subprocess.Popen[bytes]

LIBRARY_HOME = Path(__file__).resolve().parents[2]  # the folder that has DosePredictLib in it
POLL_S = 0.1
GRACE_S = 20.0  # for a cancelled worker to end by itself: one call of the network


def start(job: JobFolder, *, python: str = sys.executable, environment: Mapping[str, str] | None = None) -> Worker:
    """A worker for this job, deaf to the caller's Ctrl-C: it is stopped through the job folder."""
    environment = dict(os.environ if environment is None else environment)
    paths = [str(LIBRARY_HOME), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with job.log.open("ab") as log:
        return subprocess.Popen(
            [python, "-m", "DosePredictLib.worker", str(job.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=os.name == "posix",
            creationflags=_windows_flags(),
        )


def follow(job: JobFolder, worker: Worker, on_event: Callable[[Event], None]) -> Outcome:
    """Hand over events as they come, until the worker has ended; returns how."""
    tail = Tail(job.progress)
    last: list[Event] = []
    while True:
        ended = worker.poll() is not None  # asked before reading: what is written before the end is read after it
        for event in tail.events():
            last = [event]
            on_event(event)
        if ended:
            return outcome(last, worker.returncode)
        time.sleep(POLL_S)


def stop(job: JobFolder, worker: Worker, *, grace_s: float = GRACE_S) -> None:
    """Cancel the job; a worker that has not ended in time is killed. Returns when it has ended."""
    with suppress(OSError):
        job.cancel()
    try:
        worker.wait(grace_s)
    except subprocess.TimeoutExpired:
        kill(worker)


def kill(worker: Worker) -> None:
    """End a worker at once with all processes it has started: PythonSlicer is a launcher, the GPU is held by its child."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(worker.pid)], capture_output=True, creationflags=_windows_flags())
    else:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)  # ``start`` made it the leader of a group
    worker.kill()
    worker.wait()


def _windows_flags() -> int:
    """No console window, and a process group of its own."""
    if sys.platform != "win32":
        return 0
    return subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
