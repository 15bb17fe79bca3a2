"""Predicted measured doses scored beside the planned dose, on pairs whose difference is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tiny_model

from DosePredictLib.cli.main import main

FACTORS = {"plan_1": 0.98, "plan_2": 0.96, "plan_3": 0.95}  # measured / planned


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    tiny_model.install_measured(folder)
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(folder))
    return folder


@pytest.fixture
def pairs(tmp_path: Path, phantom_folder: Path) -> Path:
    """Plans whose whole dose is measured too low by a factor, on every third voxel of the synthetic patient's."""
    dose = pydicom.dcmread(phantom_folder / "RD.dcm")
    stored = dose.pixel_array[::3, ::3, ::3]
    dose.NumberOfFrames, dose.Rows, dose.Columns = stored.shape
    dose.PixelSpacing = [3 * float(side) for side in dose.PixelSpacing]
    dose.GridFrameOffsetVector = dose.GridFrameOffsetVector[::3]
    dose.PixelData = np.ascontiguousarray(stored).tobytes()
    for plan, factor in FACTORS.items():
        folder = tmp_path / "pairs" / plan
        folder.mkdir(parents=True)
        dose.save_as(folder / "planned.dcm")
        measured = pydicom.dcmread(folder / "planned.dcm")
        measured.DoseGridScaling = f"{factor * float(dose.DoseGridScaling):.10g}"
        measured.save_as(folder / "measured.dcm")
    return tmp_path / "pairs"


def test_the_planned_dose_itself_is_scored_beside_the_model(pairs, tmp_path, capsys) -> None:
    words = f"--model tiny_measured --steps 4 --corrections 0 --noise 0.01 --json {tmp_path / 'out.json'}".split()
    assert main(["benchmark", "measured", "--data", str(pairs), *words]) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["pairs"] == {"measured": 3, "simulated": 0} and result["simulation"] is None
    asked = {"steps": 4, "corrections": 0, "initial_noise": 0.01, "samples": 1, "seed": 0, "device": "cpu"}
    assert result["request"] == asked
    gray = pydicom.dcmread(pairs / "plan_1" / "planned.dcm").pixel_array.astype(float)
    share = gray[gray > 0.01 * gray.max()] / gray.max()
    for plan, factor in FACTORS.items():
        found = result["patients"][plan]["identity"]
        change = 100 * (1 / factor - 1) * share  # of the measured maximum
        assert found["mae_percent"] == pytest.approx(change.mean(), rel=1e-3)
        assert found["rmse_percent"] == pytest.approx(np.sqrt(np.mean(change**2)), rel=1e-3)
    assert result["patients"]["plan_1"]["identity"]["gamma_3_2_percent"] == 100  # 2 % everywhere
    mean, low, high = result["measures"]["mae_percent"]["identity"]
    assert low < mean < high
    assert result["measures"]["mae_percent"]["wilcoxon_p"] == pytest.approx(0.25)  # 2 / 2 ** 3: all on one side
    printed = capsys.readouterr().out
    assert "3 measured, 0 with SIMULATED measurements" in printed and "gamma 3 %/2 mm, %" in printed


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["benchmark", "measured", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "tiny_measured", "--noise", "5"], "initial noise 5"),
        (["--model", "tiny_measured", "--corrections", "-1"], "corrector steps"),
        (["--model", "dosediff"], "predicts no measured dose"),
    ],
)
def test_settings_that_cannot_be_are_refused(words, said, pairs, capsys) -> None:
    assert said in refused(["--data", str(pairs), *words], capsys)


def test_measurements_are_simulated_only_as_the_card_says(models, pairs, tmp_path, capsys) -> None:
    (pairs / "plan_2" / "measured.dcm").unlink()
    card = json.loads((models / "tiny_measured" / "model.json").read_text())
    for recorded, said in ((None, "does not say how to simulate"), ({"magic_percent": 3}, "magic_percent")):
        pairs_of_card = {"measured": 3, "simulated": 0} | ({"simulation": recorded} if recorded else {})
        (models / "tiny_measured" / "model.json").write_text(json.dumps(card | {"pairs": pairs_of_card}))
        assert said in refused(["--data", str(pairs), "--model", "tiny_measured"], capsys)
    assert "holds no cases" in refused(["--data", str(pairs / "plan_1"), "--model", "tiny_measured"], capsys)
