"""Tests of the Slicer module, on the stand-in for Slicer. They need slicer-core and PySide6 (see Testing/SlicerHost)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SlicerHost"))

import slicerhost

MODULE = Path(__file__).resolve().parents[2] / "DosePredict" / "DosePredict.py"

if slicerhost.MISSING:
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header() -> str | None:
    return f"Testing/Slicer is skipped: this Python has no {' and no '.join(slicerhost.MISSING)}" if slicerhost.MISSING else None


@pytest.fixture(scope="session")
def application() -> object:
    """slicer.app, running, with its window."""
    return slicerhost.start()


@pytest.fixture(scope="session")
def module(application: object) -> object:
    """The loaded module DosePredict."""
    return slicerhost.load_module(MODULE)


@pytest.fixture(autouse=True)
def faults(application: object) -> Iterator[slicerhost.Faults]:
    """Fails a test during which a slot, a timer or a VTK observer raised; starts each with an empty scene."""
    import slicer

    slicer.mrmlScene.Clear(0)
    with slicerhost.Faults() as heard:
        yield heard
    assert not heard.texts, "raised in a slot, timer or observer:\n" + "\n".join(heard.texts)
