"""Runs a background job for a command: starts the worker, shows its progress, and hands out the result whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from ..core import errors
from ..worker.launch import follow, start, stop
from ..worker.protocol import Event, JobFolder, Outcome, Request
from .progress_bar import ProgressBar

RESULT = "report.json"  # its presence says that a folder holds a prediction


class Died(Exception):
    """A fault of the program in the background process. log: what it had printed."""

    def __init__(self, sentence: str, log: str) -> None:
        super().__init__(sentence)
        self.log = log


def run_job(request: Request, out: Path, *, progress: str) -> list[Path]:
    """Run the job; its files are in ``out`` afterwards. Raises the error the worker ended with; then ``out`` is as before.

    progress: "bar" (on a terminal), "json" (events as lines on stdout) or "none".
    """
    check_output_folder(out)
    _treat_sigterm_as_ctrl_c()
    job = JobFolder.create(request)
    try:
        result = _attend(job, _shown_as(progress))
        _raise_unless_done(result, job)
        return publish(job.output, out)
    finally:
        job.remove()


def check_output_folder(out: Path) -> None:
    """Raises OutputError where results cannot be written, or would get between those of an earlier prediction."""
    name = out.absolute().name
    if (out / RESULT).exists():
        raise errors.OutputError(f"The folder {name} already holds a prediction ({RESULT}); choose another one with --out.")
    existing = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise errors.OutputError(f"The folder {name} cannot be written to ({reason}); choose another one with --out.") from error


def publish(results: Path, out: Path) -> list[Path]:
    """Move all results into ``out``, or none. They are copied beside their place first, then renamed, RESULT at the end."""
    out.mkdir(parents=True, exist_ok=True)
    placed: list[Path] = []
    with tempfile.TemporaryDirectory(dir=out, prefix=".part-") as part:
        try:
            copies = [Path(shutil.copy(path, part)) for path in sorted(results.iterdir(), key=_result_last)]
            for copy in copies:
                os.replace(copy, out / copy.name)
                placed.append(out / copy.name)
        except BaseException:
            for path in placed:
                path.unlink(missing_ok=True)
            raise
    return placed


def _result_last(path: Path) -> tuple[bool, str]:
    return path.name == RESULT, path.name


def _treat_sigterm_as_ctrl_c() -> None:
    """So that a command ended by the system, too, removes the job folder: it holds a patient's data."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _attend(job: JobFolder, show: Callable[[Event], None]) -> Outcome:
    """See the worker through to its end; however this is left, no worker is left behind."""
    worker = start(job)
    try:
        return follow(job, worker, show)
    finally:
        if worker.poll() is None:
            stop(job, worker)


def _raise_unless_done(result: Outcome, job: JobFolder) -> None:
    if result.state == "cancelled":
        raise errors.Cancelled("The job was cancelled.")
    if result.state == "done":
        return
    kind = errors.InputError if result.kind == "RequestError" else getattr(errors, result.kind, None)
    if kind is None:
        raise Died(result.reason, job.log.read_text(encoding="utf-8", errors="replace"))
    raise kind(result.reason)


def _shown_as(progress: str) -> Callable[[Event], None]:
    if progress == "json":
        return lambda event: print(json.dumps(event), flush=True)
    return ProgressBar().show if progress == "bar" else lambda event: None
