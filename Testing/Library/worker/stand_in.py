"""``python stand_in.py BEHAVIOUR JOB``: the real worker, with a stand-in for the prediction that behaves well or badly."""

from __future__ import annotations

import os
import sys
import time

from DosePredictLib.core import InputError
from DosePredictLib.worker import __main__ as worker
from DosePredictLib.worker import job as jobs

STEPS = 400
PATIENT = "Doe^Jane"


def count_slowly(job: jobs.Job) -> None:
    job.begin("sample")
    (job.folder.output / "half.txt").write_text("half a result")
    for index in range(STEPS):
        time.sleep(0.02)
        job.step(index + 1, STEPS)


def finish(job: jobs.Job) -> None:
    job.begin("sample")
    for index in range(6):
        sys.stdout.write("noise from a library\n")
        os.write(1, b"noise from C code\n")
        job.step(index, 5)
    (job.folder.output / "dose.txt").write_text("60 Gy")


def die(job: jobs.Job) -> None:
    job.begin("sample")
    os._exit(9)


def break_down(job: jobs.Job) -> None:
    raise RuntimeError(f"cannot read {PATIENT}")


def refuse(job: jobs.Job) -> None:
    raise InputError("No CT was found; add it.")


if __name__ == "__main__":
    jobs.predict = globals()[sys.argv[1]]
    sys.exit(worker.main(sys.argv[2:]))
