"""The folder through which a caller and its background job talk; standard library only.

    job/                  made by the caller for its user only (0700), removed by the caller
    ├── request.json      what to do, written once, before the worker starts
    ├── input/            data the caller hands over
    ├── progress.jsonl    one event a line: started, stage, step, warning, and last one of done, failed, cancelled
    ├── cancel            made by the caller; noticed between two calls of the network
    ├── worker.log        whatever the worker's libraries print
    └── output/           results; each is written as .part and then renamed

A worker that ends without a last event has died, whatever its exit code.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .parent import is_alive

PROTOCOL = 1
PREFIX = "dosepredict-"  # of job folders, in the system's folder for temporary files
DONE, FAILED, BAD_REQUEST, CANCELLED = 0, 1, 2, 3  # exit codes of the worker
LAST_EVENTS = ("done", "failed", "cancelled")
STAGES = ("read", "preprocess", "sample", "write", "report")

Event = dict[str, Any]


class RequestError(ValueError):
    """request.json is missing, damaged, or of another protocol."""


@dataclass(frozen=True)
class Request:
    """What the worker is asked to do.

    paths: the patient's files and folders; relative ones lie in the job folder.
    names: the model's structure name -> ROI name; prescription: ROI name -> Gy of the whole course.
    choose: which of several series, plans or doses to take. treatment: "technique" and "site", for a model that learned several.
    steps, samples: None takes the model's own number.
    grid: "ct", "dose" or a voxel size in mm. anonymise: a report that does not say whose it is. pdf: the report also as PDF.
    parent: process that the worker must not outlive; host: the computer it runs on.
    """

    kind: str
    paths: tuple[str, ...]
    model: str
    names: dict[str, str] = field(default_factory=dict)
    prescription: dict[str, float] = field(default_factory=dict)
    choose: dict[str, str] = field(default_factory=dict)
    treatment: dict[str, str] = field(default_factory=dict)
    reference: str | None = None
    steps: int | None = None
    samples: int | None = None
    seed: int = 0
    device: str = "auto"
    grid: str = "dose"
    profile: str = "stub-plan"
    outside_domain: bool = False
    anonymise: bool = False
    pdf: bool = False
    parent: int | None = None
    host: str = ""
    protocol: int = PROTOCOL

    @classmethod
    def from_dict(cls, values: Any) -> Request:
        """Raises RequestError for another protocol, and for missing or unknown keys."""
        if not isinstance(values, dict) or values.get("protocol") != PROTOCOL:
            raise RequestError(f"The request is not of protocol {PROTOCOL}; caller and worker are of different versions.")
        known = {f.name for f in fields(cls)}
        wrong = sorted(set(values) - known) or sorted({"kind", "paths", "model"} - set(values))
        if wrong:
            raise RequestError(f"The request has missing or unknown entries: {', '.join(wrong)}.")
        return cls(**{**values, "paths": tuple(values["paths"])})


@dataclass(frozen=True)
class JobFolder:
    """One job, as a folder."""

    path: Path

    @classmethod
    def create(cls, request: Request) -> JobFolder:
        """A new folder that only its user may enter, holding the request; this process is the caller."""
        remove_abandoned()
        job = cls(Path(tempfile.mkdtemp(prefix=PREFIX)))  # mkdtemp makes it 0700
        try:
            job._fill(request)
        except BaseException:
            job.remove()
            raise
        return job

    def _fill(self, request: Request) -> None:
        for folder in (self.input, self.output):
            folder.mkdir()
        caller = {"parent": os.getpid(), "host": platform.node()}
        with written_whole(self.request_file) as part:
            part.write_text(json.dumps(asdict(request) | caller, indent=1), encoding="utf-8")

    @property
    def request_file(self) -> Path:
        return self.path / "request.json"

    @property
    def input(self) -> Path:
        return self.path / "input"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def is_cancelled(self) -> bool:
        return (self.path / "cancel").exists()

    def request(self) -> Request:
        """Raises RequestError where it cannot be read."""
        try:
            return Request.from_dict(json.loads(self.request_file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RequestError("The request of the job is missing or damaged.") from error

    def cancel(self) -> None:
        """Ask the worker to stop."""
        (self.path / "cancel").touch()

    def clear_output(self) -> None:
        """Leave nothing in output/ that looks like a result."""
        shutil.rmtree(self.output, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned() -> None:
    """What a crash left behind: the folders of jobs whose caller, on this computer, is no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_abandoned(JobFolder(folder)):
            JobFolder(folder).remove()


def _is_abandoned(job: JobFolder) -> bool:
    """Only what is surely a job: the name alone may be that of a folder of the user's, or of another computer's job."""
    try:
        request = json.loads(job.request_file.read_text(encoding="utf-8"))
        return request["host"] == platform.node() and not is_alive(int(request["parent"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return False


class Progress:
    """The worker's end of progress.jsonl: appends events, each flushed, so that a reader may follow."""

    def __init__(self, job: JobFolder) -> None:
        self._file = job.progress.open("a", encoding="utf-8")
        self._start = time.monotonic()
        self._stage_start = self._start
        self.seconds: dict[str, float] = {}  # of each stage that has ended
        self.current = ""

    def emit(self, event: str, **values: Any) -> None:
        line = {"event": event, "elapsed_s": round(time.monotonic() - self._start, 3), **values}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def stage(self, name: str) -> None:
        """A new stage begins, the one before has ended."""
        self._close_stage()
        self.current, self._stage_start = name, time.monotonic()
        self.emit("stage", stage=name, index=STAGES.index(name) + 1, count=len(STAGES), remaining_s=None)

    def step(self, index: int, count: int) -> None:
        """``index`` of ``count`` equal steps of this stage are done; the remaining seconds are those of this stage."""
        spent = time.monotonic() - self._stage_start
        remaining = round(spent / index * (count - index), 1) if index else None
        self.emit("step", stage=self.current, index=index, count=count, remaining_s=remaining)

    def warning(self, text: str) -> None:
        self.emit("warning", text=text)

    def finished(self) -> dict[str, float]:
        """Seconds of each stage and in total."""
        self._close_stage()
        return {**self.seconds, "total": round(time.monotonic() - self._start, 3)}

    def _close_stage(self) -> None:
        if self.current:
            self.seconds[self.current] = round(time.monotonic() - self._stage_start, 3)


class Tail:
    """The caller's end: whole lines of the growing file since the last call; a half-written line waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def events(self) -> list[Event]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole, newline, _ = data.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return [event for line in whole.splitlines() if (event := _event_of(line))]


def _event_of(line: bytes) -> Event | None:
    """None for a line that a full disk or a kill has cut."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


@dataclass(frozen=True)
class Outcome:
    """How a job ended. state: done, failed, cancelled or died. kind: name of the error's class."""

    state: str
    kind: str = ""
    reason: str = ""
    outputs: tuple[str, ...] = ()


def outcome(events: Sequence[Event], exit_code: int) -> Outcome:
    """How the job ended, from its last event; without one the worker has died."""
    last = events[-1] if events else {}
    if last.get("event") not in LAST_EVENTS:
        why = "; the system may have ended it for lack of memory" if exit_code == -9 else ""
        return Outcome("died", reason=f"The background process ended without a result (exit code {exit_code}{why}).")
    return Outcome(last["event"], last.get("kind", ""), last.get("reason", ""), tuple(last.get("outputs", ())))


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields the path to write to; on success that file gets its real name, else it is removed."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
