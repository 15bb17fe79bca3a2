"""A line on the terminal that says what is done and how long it will take."""

from __future__ import annotations

import sys
from typing import TextIO

from ..worker.protocol import LAST_EVENTS, Event

WIDTH = 28
TEXTS = {
    "read": "Reading the patient",
    "preprocess": "Preparing",
    "sample": "Predicting",
    "write": "Writing DICOM",
    "report": "Writing the report",
}


class ProgressBar:
    """Shows events; on a terminal one line that is redrawn, else a line a stage. Goes to stderr: stdout is for results."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()

    def show(self, event: Event) -> None:
        if event["event"] == "warning":
            self._line(f"Note: {event['text']}")
        elif event["event"] == "stage":
            self._draw(TEXTS[event["stage"]], 0.0, "") if self._is_terminal else self._line(TEXTS[event["stage"]])
        elif event["event"] == "step" and self._is_terminal:
            self._draw(TEXTS[event["stage"]], event["index"] / event["count"], remaining(event.get("remaining_s")))
        elif event["event"] in LAST_EVENTS:
            self._clear()

    def _draw(self, text: str, share: float, tail: str) -> None:
        full = round(share * WIDTH)
        self._clear()
        self._stream.write(f"{text:<20} {'█' * full}{'·' * (WIDTH - full)} {share:4.0%}  {tail}")
        self._stream.flush()

    def _line(self, text: str) -> None:
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def _clear(self) -> None:
        if self._is_terminal:
            self._stream.write("\r\x1b[K")  # ECMA-48: erase to the end of the line


def remaining(seconds: float | None) -> str:
    """ "12 s left", "2 min 05 s left"; empty where unknown."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"
