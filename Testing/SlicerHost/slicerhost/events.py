"""What a test needs of the event loop: to wait, and to hear of exceptions that Qt and VTK would only print."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable

import qt


def wait_until(condition: Callable[[], object], seconds: float = 10.0, *, what: str = "the condition") -> None:
    """Runs the event loop until `condition()` is true. Raises TimeoutError, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true in {seconds:g} s")
        qt.QApplication.processEvents()
        time.sleep(0.005)


class Faults:
    """Exceptions raised in slots, timers and VTK observers while it is entered; they reach `sys.excepthook` only."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __enter__(self) -> Faults:
        self._previous, sys.excepthook = sys.excepthook, self._heard
        return self

    def __exit__(self, *exception: object) -> None:
        sys.excepthook = self._previous

    def _heard(self, kind: type[BaseException], value: BaseException, trace: object) -> None:
        self.texts.append("".join(traceback.format_exception(kind, value, trace)))
