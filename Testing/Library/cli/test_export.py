"""What ``predict`` writes is clean for ``check-rtdose``, with the histograms that the report shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from DosePredictLib.cli.main import main
from DosePredictLib.core import Case
from DosePredictLib.phantom.dicom import write_case


@pytest.mark.parametrize(("position", "grid"), [("FFS", "5"), ("HFP", "ct")])
def test_a_prediction_in_any_position_is_clean(
    position: str, grid: str, phantom_case: Case, models_with_tiny: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models_with_tiny))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    patient, out = tmp_path / "patient", tmp_path / "out"
    write_case(patient, replace(phantom_case, reference=None), orientation=position)
    words = ["--model", "tiny", "--grid", grid, "--progress", "none"]
    assert main(["predict", str(patient), "--out", str(out), *words]) == 0
    dose, plan = next(out.glob("RD.*")), next(out.glob("RP.*"))
    capsys.readouterr()
    assert main(["check-rtdose", str(dose), str(plan), "--ct", str(patient), "--rtstruct", str(patient / "RS.dcm")]) == 0
    assert capsys.readouterr().out == f"{dose.name}: nothing found\n"
    assert_histograms_are_those_of_the_report(pydicom.dcmread(dose), out / "report.json")


def assert_histograms_are_those_of_the_report(dose: pydicom.Dataset, report: Path) -> None:
    """The mean of the curve, the mean beside it and the mean in report.json agree, structure by structure."""
    rois = {row["roi"]: row["predicted"] for row in json.loads(report.read_text())["structures"]}
    assert len(dose.DVHSequence) >= len(rois) - 1  # all but the body
    means = sorted(values["dmean_gy"] for values in rois.values())
    for curve in dose.DVHSequence:
        width, volumes = float(curve.DVHData[0]), [float(volume) for volume in curve.DVHData[1::2]]
        mean = width * (sum(volumes) / volumes[0] - 0.5)  # trapezoidal: the volume falls to 0 within the last bin
        assert mean == pytest.approx(float(curve.DVHMeanDose), abs=0.06)  # half a bin, for voxels of exactly 0 Gy
        assert min(abs(float(curve.DVHMeanDose) - known) for known in means) < 1e-3
