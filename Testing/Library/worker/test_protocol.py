"""The two ends of the protocol, without a process."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from DosePredictLib.worker.parent import is_alive
from DosePredictLib.worker.protocol import JobFolder, Request, RequestError, Tail, outcome, written_whole

REQUEST = Request(kind="predict", paths=("a", "b"), model="dosediff", prescription={"PTV70": 70.0}, steps=4, grid="3")


def test_a_request_survives_its_file() -> None:
    job = JobFolder.create(REQUEST)
    try:
        assert job.request() == replace(REQUEST, parent=os.getpid(), host=platform.node())
    finally:
        job.remove()


def test_a_request_with_a_word_this_version_does_not_know_is_refused() -> None:
    with pytest.raises(RequestError, match="colour"):
        Request.from_dict({"protocol": 1, "kind": "predict", "paths": [], "model": "m", "colour": "red"})
    with pytest.raises(RequestError, match="protocol"):
        Request.from_dict({**vars(replace(REQUEST)), "protocol": 2})


def test_what_a_crash_left_is_removed_at_the_next_start_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    living, dead, elsewhere = (JobFolder.create(REQUEST) for _ in range(3))
    for job, changes in ((dead, {"parent": 2**22 + 1}), (elsewhere, {"parent": 2**22 + 1, "host": "another computer"})):
        job.request_file.write_text(json.dumps(json.loads(job.request_file.read_text()) | changes))
    users_own = tmp_path / "dosepredict-results"
    users_own.mkdir()
    new = JobFolder.create(REQUEST)
    assert set(tmp_path.iterdir()) == {living.path, elsewhere.path, users_own, new.path}


def test_a_line_cut_by_a_full_disk_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").write_bytes(b'{"event": "a"}\n{"eve{"event": "b"}\n7\n{"event": "c"}\n')
    assert [event["event"] for event in Tail(tmp_path / "progress.jsonl").events()] == ["a", "c"]


def test_a_half_written_line_waits(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    tail = Tail(file)
    assert tail.events() == []
    file.write_bytes(b'{"event": "a"}\n{"eve')
    assert [event["event"] for event in tail.events()] == ["a"]
    assert tail.events() == []
    with file.open("ab") as more:
        more.write(b'nt": "b"}\n')
    assert [event["event"] for event in tail.events()] == ["b"]


def test_a_worker_without_a_last_event_has_died_even_with_exit_code_0() -> None:
    assert outcome([{"event": "step"}], 0).state == "died"
    assert outcome([], 0).state == "died"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "dose.txt"
    with pytest.raises(RuntimeError), written_whole(file) as part:
        part.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with written_whole(file) as part:
        part.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["dose.txt"]


def test_a_process_is_known_to_be_alive() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(2**22 + 1)  # above the largest process number of Linux


def test_a_folder_that_is_interrupted_while_it_is_made_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(job: JobFolder, request: Request) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(JobFolder, "_fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        JobFolder.create(REQUEST)
    assert not list(tmp_path.iterdir())
