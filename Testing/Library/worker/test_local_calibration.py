"""A prediction is shown with the site's calibration only where that was made with the same weights in the same way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from DosePredictLib.evaluation.calibration import Calibration, MetricError, write_calibration
from DosePredictLib.registry import calibration_file
from DosePredictLib.worker.reports import calibration_of

CARD = {"id": "tiny", "weights_sha256": "ab" * 32}
KNOWN = Calibration("tiny", "ab" * 32, 8, 1, 24, (MetricError("Larynx", "dmean_gy", 24, 1.0, 1.0, 1.8),))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))


def found(steps: int = 8) -> tuple[Calibration | None, list[str]]:
    """The calibration for a prediction with this number of steps, and what was warned."""
    warned: list[str] = []
    predicted = SimpleNamespace(card=CARD, sampled=SimpleNamespace(made_with={"steps": steps, "samples": 1}))
    return calibration_of(SimpleNamespace(warn=warned.append), predicted), warned  # type: ignore[arg-type]


def test_without_one_nothing_is_said() -> None:
    assert found() == (None, [])


def test_one_of_the_same_weights_and_steps_is_used() -> None:
    write_calibration(KNOWN, calibration_file("tiny"))
    assert found() == (KNOWN, [])


def test_one_of_other_steps_or_other_weights_is_not_used_and_that_is_said() -> None:
    write_calibration(KNOWN, calibration_file("tiny"))
    calibration, warned = found(steps=1)
    assert calibration is None and "calibrate again" in warned[0]
    write_calibration(replace(KNOWN, fingerprint="cd" * 32), calibration_file("tiny"))
    assert found()[0] is None


def test_a_damaged_one_does_not_stop_the_prediction() -> None:
    calibration_file("tiny").parent.mkdir(parents=True)
    calibration_file("tiny").write_text("{")
    calibration, warned = found()
    assert calibration is None and "tiny.json cannot be read" in warned[0]
