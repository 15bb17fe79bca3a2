"""Running in the background: progress, cancel, failure, queue; with a stand-in for the model, in a real process."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
import slicer
from slicerhost import wait_until

from DosePredictLib.worker.parent import is_alive


@pytest.fixture
def queue(module, tmp_path, monkeypatch):
    """An empty queue with a temporary folder of its own; nothing of it is left running."""
    from DosePredictSlicer.prediction_queue import PredictionQueue

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    queue = PredictionQueue()
    yield queue
    queue.end_now()


@pytest.fixture
def chosen(patient):
    """The synthetic patient as the queue takes it."""
    from DosePredictSlicer.patient import Patient

    return Patient(patient.ct, patient.structures, patient.planned)


def begin(queue, chosen) -> None:
    from DosePredictSlicer.prediction_queue import Settings

    queue.add(chosen, Settings())


def job_folders() -> list[Path]:
    return sorted(Path(tempfile.gettempdir()).glob("dosepredict-*"))


def children_of(pid: int) -> list[int]:
    """Processes in the group that a worker leads (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pid:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")
def test_cancel_ends_launcher_and_worker_within_two_seconds(queue, chosen, stand_in):
    stand_in("count_slowly")
    begin(queue, chosen)
    wait_until(lambda: queue.progress.step > 3, 60, what="some steps")
    family = children_of(queue._job._worker.pid)
    assert len(family) == 2
    start = time.monotonic()
    queue.cancel()
    wait_until(lambda: not queue.is_running, 10, what="the end")
    assert time.monotonic() - start < 2.5  # on a busy machine
    assert not any(is_alive(pid) for pid in family)
    assert queue.was_cancelled
    assert queue.failure is None


@pytest.mark.skipif(os.name == "nt", reason="SIGSTOP")
def test_a_worker_that_does_not_listen_is_killed(queue, chosen, stand_in):
    import signal

    stand_in("count_slowly")
    begin(queue, chosen)
    wait_until(lambda: queue.progress.step > 0, 60, what="a step")
    pid = queue._job._worker.pid
    os.killpg(pid, signal.SIGSTOP)
    queue.cancel()
    wait_until(lambda: not queue.is_running, 10, what="the end")
    assert queue.was_cancelled
    assert not is_alive(pid)


def test_progress_has_stage_step_share_and_time(queue, chosen, stand_in):
    stand_in("count_slowly")
    begin(queue, chosen)
    wait_until(lambda: queue.progress.step > 5, 60, what="some steps")
    assert queue.progress.stage == "sample"
    assert queue.progress.count == 400
    assert 0.2 < queue.progress.share < 0.9
    assert queue.progress.remaining_s > 0


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        ("die", "ended without a result"),
        ("break_down", "unexpected error of the program"),
        ("refuse", "No CT was found; add it."),
    ],
)
def test_a_failure_says_why_in_one_sentence_and_leaves_the_scene_as_it_was(queue, chosen, stand_in, behaviour, cause):
    before = slicer.mrmlScene.GetNumberOfNodes()
    stand_in(behaviour)
    begin(queue, chosen)
    wait_until(lambda: not queue.is_running, 60, what="the end")
    assert cause in queue.failure.cause
    assert "Doe" not in str(queue.failure) + queue.failure.log
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_no_job_folder_is_left(queue, chosen, stand_in):
    before = job_folders()
    stand_in("refuse")
    begin(queue, chosen)
    assert len(job_folders()) == len(before) + 1
    wait_until(lambda: not queue.is_running, 60, what="the end")
    assert job_folders() == before


def test_ending_now_leaves_neither_process_nor_folder(queue, chosen, stand_in):
    before = job_folders()
    stand_in("count_slowly")
    begin(queue, chosen)
    pid = queue._job._worker.pid
    queue.end_now()
    assert not queue.is_running
    assert not is_alive(pid)
    assert job_folders() == before


def test_the_next_patient_follows_a_failed_one(queue, chosen, stand_in):
    stand_in("refuse")
    begin(queue, chosen)
    begin(queue, chosen)
    assert len(queue.waiting) == 1
    wait_until(lambda: not queue.waiting and not queue.is_running, 90, what="both")
    assert queue.failure is not None


def test_a_waiting_patient_is_predicted_as_it_was_when_it_was_added(queue, chosen, patient, stand_in):
    stand_in("count_slowly")
    begin(queue, chosen)
    begin(queue, chosen)
    voxels = slicer.util.arrayFromVolume(patient.ct)
    before = float(voxels[0, 0, 0])
    voxels[0, 0, 0] += 100
    assert queue.waiting[0].case.ct.array[0, 0, 0] == before


def test_a_full_disk_is_said_before_anything_runs(queue, chosen, stand_in, monkeypatch):
    from DosePredictSlicer import background_job

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(background_job.JobFolder, "create", full)
    begin(queue, chosen)
    assert not queue.is_running
    assert "No space left on device" in queue.failure.cause


def test_a_python_that_does_not_exist_is_said(queue, chosen, monkeypatch):
    monkeypatch.setenv("DOSEPREDICT_PYTHON", "/does/not/exist")
    begin(queue, chosen)
    assert "cannot be started" in queue.failure.cause


def test_a_worker_in_a_temporary_folder_with_letters_of_many_languages(queue, chosen, stand_in, tmp_path, monkeypatch):
    folder = tmp_path / "Lékař 日本"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    stand_in("refuse")
    begin(queue, chosen)
    wait_until(lambda: not queue.is_running, 60, what="the end")
    assert queue.failure.cause == "No CT was found; add it."


@pytest.mark.parametrize(
    ("log", "advice"),
    [("ModuleNotFoundError", "install"), ("CUDA error: no kernel image is available", "CPU"), ("exit code -9", "memory")],
)
def test_known_causes_come_with_what_to_do(module, log, advice):
    from DosePredictSlicer.background_job import Ending
    from DosePredictSlicer.failure import Failure

    from DosePredictLib.worker.protocol import Outcome

    assert advice in str(Failure.of(Ending(Outcome("died", reason=log), log)))
