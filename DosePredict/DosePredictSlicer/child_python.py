"""The Python that runs predictions: never Slicer's own process, which must not load torch."""

from __future__ import annotations

import os
import shutil
import sys

import slicer

OVERRIDE = "DOSEPREDICT_PYTHON"  # environment variable: another interpreter that has torch, for those who know why


def python() -> str:
    """The interpreter: the one named by DOSEPREDICT_PYTHON, else PythonSlicer."""
    return os.environ.get(OVERRIDE) or shutil.which("PythonSlicer") or sys.executable


def environment() -> dict[str, str]:
    """Slicer's environment as it was before its launcher changed it, and UTF-8 for every file name."""
    return {**slicer.util.startupEnvironment(), "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1"}
