"""A measured dose predicted as a user does it, with untrained networks: everything but the dose is as it must be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tiny_model
from pydicom.uid import generate_uid

from DosePredictLib.cli.main import main
from DosePredictLib.io.rtdose_check import check_rtdose

NOTICE = "PREDICTED MEASURED DOSE - NOT FOR TREATMENT"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_model.install_measured(folder)
    return folder


@pytest.fixture(autouse=True)
def only_these_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def plan(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CT, structures, plan, and its dose on every second voxel."""
    folder = tmp_path_factory.mktemp("plan") / "case"
    shutil.copytree(phantom_folder, folder)
    dose = pydicom.dcmread(folder / "RD.dcm")
    stored = dose.pixel_array[::2, ::2, ::2]
    dose.NumberOfFrames, dose.Rows, dose.Columns = stored.shape
    dose.PixelSpacing = [2 * float(side) for side in dose.PixelSpacing]
    dose.GridFrameOffsetVector = dose.GridFrameOffsetVector[::2]
    dose.PixelData = np.ascontiguousarray(stored).tobytes()
    dose.save_as(folder / "RD.dcm")
    return folder


def predict(case: Path, out: Path, *words: str, model: str = "tiny_measured") -> int:
    return main(["predict", str(case), "--out", str(out), "--model", model, "--progress", "none", *words])


def gray_of(path: Path) -> np.ndarray:
    dose = pydicom.dcmread(path)
    return dose.pixel_array * float(dose.DoseGridScaling)


def test_the_dose_alone_suffices_and_what_is_written_cannot_be_taken_for_a_plan_dose(plan, tmp_path, capsys) -> None:
    assert predict(plan / "RD.dcm", tmp_path / "out", "--profile", "plan") == 0
    assert "predicted measured dose" in capsys.readouterr().out
    (path,) = (tmp_path / "out").glob("RD.*.dcm")
    planned, found = pydicom.dcmread(plan / "RD.dcm"), pydicom.dcmread(path)
    assert found.SeriesDescription == found.DoseComment == NOTICE and "SIMULATED" in found.ImageComments
    assert found.FrameOfReferenceUID == planned.FrameOfReferenceUID and found.PatientID == planned.PatientID
    referred = [dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID for dose in (planned, found)]
    assert referred[0] == referred[1] and not list((tmp_path / "out").glob("RP.*"))
    assert [f.text for f in check_rtdose(path) if f.severity == "error"] == []
    before, after = gray_of(plan / "RD.dcm"), gray_of(path)
    assert before.shape == after.shape and found.ImagePositionPatient == planned.ImagePositionPatient
    assert not after[before == 0].any() and 0 < np.abs(after - before).max() < 0.1 * before.max()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dose_kind"] == "measured" and report["simulated_measurements"] and report["structures"] == []
    assert "prescription" not in report and "goals" not in report and "domain" not in report
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<h1>Predicted measured dose (simulated measurements)</h1>" in page and "Clinical goals" not in page


def test_with_structures_samples_and_a_named_reference_the_report_says_how_the_plan_would_fare(plan, tmp_path) -> None:
    case, out = tmp_path / "case", tmp_path / "out"
    shutil.copytree(plan, case)
    reference = shutil.move(case / "RD.dcm", tmp_path / "TPS.dcm")
    words = f"--reference {reference} --samples 2 --steps 3 --seed 7 --grid ct --anonymise --pdf".split()
    assert predict(case, out, *words, model="tiny_measured_b") == 0
    report = json.loads((out / "report.json").read_text())
    assert report["request"] == {"steps": 3, "samples": 2, "seed": 7, "device": "cpu"}
    found = report["gamma"]
    assert (found["dose_percent"], found["distance_mm"], found["threshold_percent"], found["local"]) == (3, 2, 10, False)
    assert (found["tolerance_percent"], found["action_percent"]) == (95, 90) and found["verdict"] == "within tolerance"
    difference = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "difference.nrrd")))
    planned = gray_of(tmp_path / "TPS.dcm")
    predicted = planned + difference
    irradiated = predicted > 0.01 * predicted.max()
    mae = 100 * np.abs(difference[irradiated]).mean() / predicted.max()
    assert report["agreement"]["mae_percent"] == pytest.approx(mae, rel=1e-3)
    target = next(row for row in report["structures"] if row["roi"] == "PTV70")
    assert target["difference"]["dmean_gy"] == pytest.approx(
        target["predicted"]["dmean_gy"] - target["reference"]["dmean_gy"], abs=1e-3
    )
    assert "PTV70 predicted measured (%)" in (out / "dvh.csv").read_text().splitlines()[0]
    ct = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(case)))
    (path,) = out.glob("RD.*.dcm")
    assert sitk.ReadImage(str(path)).GetSize() == ct.GetSize() and (out / "uncertainty.nrrd").exists()
    assert "Patient ID" not in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "report.pdf").read_bytes()[:5] == b"%PDF-"


def relative(dose: pydicom.Dataset) -> None:
    dose.DoseUnits = "RELATIVE"


def elsewhere(dose: pydicom.Dataset) -> None:
    dose.FrameOfReferenceUID = generate_uid()


def far_away(dose: pydicom.Dataset) -> None:
    dose.ImagePositionPatient = [float(mm) + 2000 for mm in dose.ImagePositionPatient]


def of_a_beam(dose: pydicom.Dataset) -> None:
    dose.DoseSummationType = "BEAM"


@pytest.mark.parametrize(
    ("change", "said"),
    [(relative, "RELATIVE"), (elsewhere, "frame of reference"), (far_away, "outside the CT"), (of_a_beam, "BEAM")],
)
def test_a_dose_nothing_could_be_measured_of_is_refused_in_one_sentence_and_nothing_is_written(
    change: Callable[[pydicom.Dataset], None], said: str, plan, tmp_path, capsys
) -> None:
    case = tmp_path / "case"
    shutil.copytree(plan, case)
    dose = pydicom.dcmread(case / "RD.dcm")
    change(dose)
    dose.save_as(case / "RD.dcm")
    assert_refused(said, case, tmp_path, capsys, model="tiny_measured_b")


def test_without_a_planned_dose_there_is_nothing_to_predict_from(plan, tmp_path, capsys) -> None:
    case = tmp_path / "case"
    shutil.copytree(plan, case)
    (case / "RD.dcm").unlink()
    assert_refused("--reference", case, tmp_path, capsys)


def test_a_model_that_looks_at_the_ct_needs_one(plan, tmp_path, capsys) -> None:
    assert_refused("add the planning CT", plan / "RD.dcm", tmp_path, capsys, model="tiny_measured_b")


def assert_refused(said: str, case: Path, folder: Path, capsys: pytest.CaptureFixture[str], model: str = "tiny_measured") -> None:
    assert predict(case, folder / "out", model=model) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line and line.endswith(".") and not (folder / "out").exists()
