"""One prediction in the background: started, followed by a timer, ended with all its processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import qt

from DosePredictLib.core import Case, OutputError, QaCase
from DosePredictLib.io.scene_case import write_scene_case
from DosePredictLib.worker import launch
from DosePredictLib.worker.protocol import Event, JobFolder, Outcome, Request, Tail, outcome

from . import child_python

POLL_MS = 150
GRACE_S = 1.0  # for a cancelled worker to end by itself
LOG_LINES = 400


@dataclass(frozen=True)
class Ending:
    """How a background job ended, and the last lines its worker has printed."""

    outcome: Outcome
    log: str = ""


class BackgroundJob:
    """Hands a case to a worker and follows it without ever holding up the user interface.

    on_event is called with each event, on_end once with the ending while the job's folder still exists.
    """

    def __init__(self, on_event: Callable[[Event], None], on_end: Callable[[Ending, JobFolder], None]) -> None:
        self._on_event, self._on_end = on_event, on_end
        self._folder: JobFolder | None = None
        self._worker: launch.Worker | None = None
        self._kill_at: float | None = None
        self._last: list[Event] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self.poll)

    @property
    def is_running(self) -> bool:
        return self._worker is not None

    def start(self, case: Case | QaCase, request: Request) -> None:
        """Raises OutputError where the patient's data or the process cannot be handed over."""
        self._clear()
        try:
            self._folder = JobFolder.create(request)
            write_scene_case(self._folder.path / request.paths[0], case)
            self._worker = launch.start(self._folder, python=child_python.python(), environment=child_python.environment())
        except (OSError, OutputError) as error:
            self._clear()
            reason = error if isinstance(error, OutputError) else f"The background process cannot be started ({error.strerror})."
            raise OutputError(str(reason)) from None
        self._tail = Tail(self._folder.progress)
        self._timer.start()

    def poll(self) -> None:
        """Hand over what has happened since the last call; called by the timer."""
        if self._worker is None or self._folder is None:
            return
        if self._kill_at is not None and time.monotonic() > self._kill_at and self._worker.poll() is None:
            launch.kill(self._worker)
        ended = self._worker.poll() is not None  # asked before reading, so that nothing written is missed
        for event in self._tail.events():
            self._last = [event]
            self._on_event(event)
        if ended and self._worker is not None:
            self._finish()

    def cancel(self) -> None:
        """Ask the worker to end; it is killed, with its children, where it does not soon."""
        if self._folder is not None and self._kill_at is None:
            self._folder.cancel()
            self._kill_at = time.monotonic() + GRACE_S

    def end_now(self) -> None:
        """For a closing scene or application: nothing is left of the job, nobody is told."""
        if self._worker is not None:
            launch.kill(self._worker)
        self._clear()

    def log(self) -> str:
        """The last lines the worker has printed."""
        if self._folder is None or not self._folder.log.exists():
            return ""
        return "\n".join(self._folder.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])

    def _finish(self) -> None:
        worker, folder = self._worker, self._folder
        assert worker is not None and folder is not None
        how = outcome(self._last, worker.returncode)
        if self._kill_at is not None and how.state == "died":
            how = Outcome("cancelled")
        ending = Ending(how, self.log())
        self._timer.stop()
        self._worker = None
        try:
            self._on_end(ending, folder)
        finally:
            folder.remove()
            if self._folder is folder:
                self._clear()

    def _clear(self) -> None:
        self._timer.stop()
        if self._folder is not None:
            self._folder.remove()
        self._folder = self._worker = self._kill_at = None
        self._last = []
