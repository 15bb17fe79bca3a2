"""A command and its background process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from DosePredictLib.cli import running
from DosePredictLib.cli.progress_bar import ProgressBar, remaining
from DosePredictLib.core import InputError
from DosePredictLib.worker.protocol import Event, JobFolder, Request

REPOSITORY = Path(__file__).resolve().parents[3]
STAND_IN = REPOSITORY / "Testing" / "Library" / "worker" / "stand_in.py"
REQUEST = Request(kind="predict", paths=("input",), model="none")


class Workers:
    """Starts stand-ins in place of workers and remembers them."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour, self.started = behaviour, []

    def __call__(self, job: JobFolder) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self.started.append(subprocess.Popen([sys.executable, str(STAND_IN), self.behaviour, str(job.path)], env=environment))
        return self.started[-1]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which job folders are made."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_results_arrive_and_the_job_folder_goes(tmp_path, jobs, monkeypatch) -> None:
    monkeypatch.setattr(running, "start", Workers("finish"))
    files = running.run_job(REQUEST, tmp_path / "out", progress="none")
    assert [file.name for file in files] == ["dose.txt"] and files[0].read_text() == "60 Gy"
    assert list(jobs.iterdir()) == [] and [path.name for path in (tmp_path / "out").iterdir()] == ["dose.txt"]


def test_ctrl_c_ends_the_worker_and_leaves_nothing(tmp_path, jobs, monkeypatch) -> None:
    def press_ctrl_c(event: Event) -> None:
        if event["event"] == "step":
            raise KeyboardInterrupt

    workers = Workers("count_slowly")
    monkeypatch.setattr(running, "start", workers)
    monkeypatch.setattr(running, "_shown_as", lambda progress: press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        running.run_job(REQUEST, tmp_path / "out", progress="bar")
    assert workers.started[0].returncode == 3
    assert list(jobs.iterdir()) == [] and not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_command_ended_by_the_system_leaves_nothing(tmp_path, jobs, monkeypatch) -> None:
    def end(event: Event) -> None:
        if event["event"] == "step":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    workers = Workers("count_slowly")
    monkeypatch.setattr(running, "start", workers)
    monkeypatch.setattr(running, "_shown_as", lambda progress: end)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            running.run_job(REQUEST, tmp_path / "out", progress="bar")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert workers.started[0].returncode == 3 and list(jobs.iterdir()) == []


@pytest.mark.parametrize(("behaviour", "error"), [("refuse", InputError), ("break_down", running.Died), ("die", running.Died)])
def test_a_worker_that_fails_leaves_nothing(tmp_path, jobs, monkeypatch, behaviour, error) -> None:
    monkeypatch.setattr(running, "start", Workers(behaviour))
    with pytest.raises(error):
        running.run_job(REQUEST, tmp_path / "out", progress="none")
    assert list(jobs.iterdir()) == [] and not (tmp_path / "out").exists()


class Terminal:
    def __init__(self, *, is_terminal: bool) -> None:
        self.text, self._is_terminal = "", is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return self._is_terminal


STEP = {"event": "step", "stage": "sample", "index": 1, "count": 4, "remaining_s": 65.2}


def test_the_bar_shows_share_and_remaining_time_on_one_line() -> None:
    terminal = Terminal(is_terminal=True)
    ProgressBar(terminal).show(STEP)
    assert "25%" in terminal.text and "1 min 05 s left" in terminal.text and "\n" not in terminal.text


def test_a_file_gets_a_line_a_stage_and_no_control_characters() -> None:
    file = Terminal(is_terminal=False)
    bar = ProgressBar(file)
    for event in ({"event": "stage", "stage": "read"}, STEP, {"event": "warning", "text": "no parotid"}, {"event": "done"}):
        bar.show(event)
    assert file.text == "Reading the patient\nNote: no parotid\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.4, "0 s left"), (59.6, "1 min 00 s left"), (125, "2 min 05 s left")]
)
def test_remaining_time_is_told_as_people_do(seconds, text) -> None:
    assert remaining(seconds) == text
