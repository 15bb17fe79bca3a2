"""``python -m DosePredictLib.worker JOB``: runs the job of one folder, see protocol.py."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from ..core.errors import Cancelled, DosePredictError, InputError
from .parent import watch
from .protocol import BAD_REQUEST, CANCELLED, DONE, FAILED, JobFolder, Progress, RequestError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OUT_OF_MEMORY = ("allocate memory", "bad_alloc", "Failed to allocate")  # PyTorch, C++, ITK


def main(arguments: list[str]) -> int:
    """Exit codes: 0 done, 1 failed, 2 bad request (or unusable patient data), 3 cancelled."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("Usage: python -m DosePredictLib.worker JOB, where JOB is a job folder.", file=sys.stderr)  # noqa: T201
        return BAD_REQUEST
    job = JobFolder(Path(arguments[0]).resolve())
    _send_noise_to(job.log)
    progress = Progress(job)
    progress.emit("started", pid=os.getpid())
    try:
        result = _run(job, progress)
    except BaseException as error:  # the last event must be written whatever happened
        job.clear_output()
        code, event = _explain(error)
        progress.emit(**event)
        return code
    progress.emit("done", **result)
    return DONE


def _run(job: JobFolder, progress: Progress) -> dict[str, Any]:
    """What the last event says of the result."""
    request = job.request()
    family = watch(request.parent, lambda: _abandon(job))
    signal.signal(signal.SIGTERM, lambda *_: _abandon(job) if family.is_gone else _cancel())
    from .job import run

    _keep_itk_in_one_thread()
    kind = run(job, request, progress)
    return {"outputs": sorted(path.name for path in job.output.iterdir()), "dose_kind": kind}


def _keep_itk_in_one_thread() -> None:
    """ITK waits for ever for a thread that the system denies it, as where memory is short; ``core.parallel`` makes ours."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _explain(error: BaseException) -> tuple[int, dict[str, Any]]:
    """Exit code and last event of an error; the log gets the lines of code, never values, which may be a patient's."""
    if isinstance(error, (Cancelled, KeyboardInterrupt)):
        return CANCELLED, {"event": "cancelled"}
    sys.stderr.write("".join(["Traceback:\n", *traceback.format_tb(error.__traceback__), type(error).__name__, "\n"]))
    sys.stderr.flush()
    if isinstance(error, (DosePredictError, RequestError)):
        code = BAD_REQUEST if isinstance(error, (InputError, RequestError)) else FAILED
        return code, {"event": "failed", "kind": type(error).__name__, "reason": str(error)}
    if reason := _lack(error):
        return FAILED, {"event": "failed", "kind": "OutputError", "reason": reason}
    reason = f"The prediction stopped at an unexpected error of the program ({type(error).__name__})."
    return FAILED, {"event": "failed", "kind": "Unexpected", "reason": reason}


def _lack(error: BaseException) -> str:
    """What the computer did not have enough of; empty where it was another error."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return "The disk with the folder for temporary files is full; free some space, or set TMPDIR to a folder elsewhere."
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return "The memory of this computer does not suffice for a prediction; close other programs and try again."
    return ""


def _send_noise_to(log: Path) -> None:
    """All that libraries print, from C code too, goes into the log; but no warnings: those of DICOM readers quote patients."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)


def _cancel() -> None:
    raise Cancelled("The background process was asked to end.")


def _abandon(job: JobFolder) -> None:
    """Nobody is left to read a result or to remove the folder."""
    for _ in range(10):  # another thread may still be writing into it
        job.remove()
    os._exit(CANCELLED)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # all is written; taking down PyTorch and SimpleITK would keep the user waiting for a second
