"""The background job as its caller sees it, whatever the worker does."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from DosePredictLib.worker.launch import follow, start, stop
from DosePredictLib.worker.protocol import Event, JobFolder, Outcome, Request, Tail

REPOSITORY = Path(__file__).resolve().parents[3]
STAND_IN = Path(__file__).with_name("stand_in.py")
REQUEST = Request(kind="predict", paths=("input",), model="none")
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def job() -> Iterator[JobFolder]:
    folder = JobFolder.create(REQUEST)
    yield folder
    folder.remove()


def launch(behaviour: str, job: JobFolder) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, str(STAND_IN), behaviour, str(job.path)], env=environment)


def attend(behaviour: str, job: JobFolder) -> tuple[int, list[Event], Outcome]:
    events: list[Event] = []
    worker = launch(behaviour, job)
    result = follow(job, worker, events.append)
    return worker.returncode, events, result


def wait_for_steps(job: JobFolder) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if any(event["event"] == "step" for event in Tail(job.progress).events()):
            return
        time.sleep(0.02)
    pytest.fail("the worker did not begin")


def test_a_job_that_is_done_says_so_once_and_names_its_files(job: JobFolder) -> None:
    code, events, result = attend("finish", job)
    assert (code, result.state, result.outputs) == (0, "done", ("dose.txt",))
    assert [event["event"] for event in events].count("done") == 1 and events[-1]["event"] == "done"
    assert [event["index"] for event in events if event["event"] == "step"] == [0, 1, 2, 3, 4, 5]


def test_the_remaining_time_falls_to_zero(job: JobFolder) -> None:
    _, events, _ = attend("finish", job)
    remaining = [event["remaining_s"] for event in events if event["event"] == "step"]
    assert remaining[0] is None and remaining[-1] == 0
    assert all(event["elapsed_s"] >= 0 for event in events)


def test_noise_of_libraries_goes_to_the_log_and_not_between_the_events(job: JobFolder) -> None:
    attend("finish", job)
    log = job.log.read_text()
    assert "noise from a library" in log and "noise from C code" in log
    assert all(json.loads(line) for line in job.progress.read_text().splitlines())


def test_cancel_stops_at_the_next_step_and_leaves_no_output(job: JobFolder) -> None:
    worker = launch("count_slowly", job)
    wait_for_steps(job)
    job.cancel()
    asked = time.monotonic()
    result = follow(job, worker, lambda event: None)
    assert (worker.returncode, result.state) == (3, "cancelled")
    assert time.monotonic() - asked < 2 and not job.output.exists()


@posix_only
def test_a_killed_worker_is_not_mistaken_for_a_finished_one(job: JobFolder) -> None:
    worker = launch("count_slowly", job)
    wait_for_steps(job)
    worker.kill()
    assert follow(job, worker, lambda event: None).state == "died"


@posix_only
def test_a_worker_asked_to_end_by_the_system_ends_as_cancelled(job: JobFolder) -> None:
    worker = launch("count_slowly", job)
    wait_for_steps(job)
    worker.send_signal(signal.SIGTERM)
    assert follow(job, worker, lambda event: None).state == "cancelled"


def test_a_worker_that_vanishes_has_died(job: JobFolder) -> None:
    code, _, result = attend("die", job)
    assert (code, result.state) == (9, "died") and "9" in result.reason


def test_a_fault_of_the_program_is_told_without_values_of_the_patient(job: JobFolder) -> None:
    code, _, result = attend("break_down", job)
    assert (code, result.state, result.kind) == (1, "failed", "Unexpected")
    assert "RuntimeError" in job.log.read_text() and "break_down" in job.log.read_text()
    assert "Doe" not in job.log.read_text() + job.progress.read_text()
    assert not job.output.exists()


def test_unusable_data_end_with_the_reason_and_exit_code_2(job: JobFolder) -> None:
    code, _, result = attend("refuse", job)
    assert (code, result.kind, result.reason) == (2, "InputError", "No CT was found; add it.")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"protocol": 9}', '{"protocol": 1, "kind": "predict"}', b"\xff\xfe"],
    ids=["empty", "cut off", "a list", "other protocol", "incomplete", "not text"],
)
def test_a_bad_request_is_refused(job: JobFolder, text: str | bytes) -> None:
    job.request_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    worker = start(job)
    result = follow(job, worker, lambda event: None)
    assert (worker.returncode, result.state, result.kind) == (2, "failed", "RequestError")


def test_an_unknown_kind_of_job_is_refused(job: JobFolder) -> None:
    values = json.loads(job.request_file.read_text()) | {"kind": "fly"}
    job.request_file.write_text(json.dumps(values))
    worker = start(job)
    assert "fly" in follow(job, worker, lambda event: None).reason


@posix_only
def test_only_its_user_may_enter_a_job_folder(job: JobFolder) -> None:
    assert stat.S_IMODE(job.path.stat().st_mode) == 0o700


def test_a_worker_that_does_not_listen_is_killed(job: JobFolder) -> None:
    deaf = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stop(job, deaf, grace_s=0.2)
    assert deaf.returncode not in (None, 0)


@posix_only
def test_a_worker_whose_caller_dies_ends_and_removes_the_folder() -> None:
    caller = """
import os, subprocess, sys, time
from DosePredictLib.worker.protocol import JobFolder, Request
job = JobFolder.create(Request(kind="predict", paths=("input",), model="none"))
subprocess.Popen([sys.executable, sys.argv[1], "count_slowly", str(job.path)])
print(job.path, flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", caller, str(STAND_IN)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    folder = process.stdout.readline().strip()
    wait_for_steps(JobFolder(Path(folder)))
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
