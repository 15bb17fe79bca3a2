"""Asks a child process what torch can compute on, without holding up the user interface."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from DosePredictLib.worker.launch import LIBRARY_HOME

from . import child_python

POLL_MS = 200


class DeviceProbe:
    """on_answer gets one sentence a device, or one that says why there is none."""

    def __init__(self, on_answer: Callable[[list[str]], None]) -> None:
        self._on_answer = on_answer
        self._process: subprocess.Popen[str] | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._poll)

    def start(self) -> None:
        """Ask; an earlier question that is not yet answered is enough."""
        if self._process is not None:
            return
        environment = {**child_python.environment(), "PYTHONPATH": str(LIBRARY_HOME)}
        command = [child_python.python(), "-m", "DosePredictLib.worker.probe"]
        hidden = subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0  # type: ignore[attr-defined]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            encoding="utf-8", creationflags=hidden,
        )  # fmt: skip
        self._timer.start()

    def _poll(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        self._timer.stop()
        answer, self._process = self._process.communicate()[0], None
        self._on_answer(sentences(answer))


def sentences(answer: str) -> list[str]:
    """The probe's line of JSON in words; PythonSlicer may print other lines before it."""
    try:
        found: dict[str, Any] = json.loads(answer.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return [_("PyTorch ends its process as soon as it is imported; install it again with the PyTorch extension.")]
    if found["error"]:
        return [_("No prediction is possible yet: {error}.").format(error=found["error"])]
    versions = ", ".join(f"{name} {version}" for name, version in found.get("packages", {}).items() if version)
    return [*(_described(device) for device in found["devices"]), *filter(None, [versions])]


def _described(device: dict[str, Any]) -> str:
    free = "" if device["free_gb"] is None else ", " + _("{gb} GB free").format(gb=device["free_gb"])
    return f"{device['name']}{free}" + (f": {device['problem']}" if device["problem"] else "")
