"""``dosepredict evaluate``: every number of a dose shifted and scaled is explained by the shift and the scale."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from DosePredictLib.cli.main import main
from DosePredictLib.core import Volume
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.io.rtdose import read_rtdose
from DosePredictLib.io.rtstruct import read_rtstruct
from DosePredictLib.preprocessing.contours import rasterise

SHIFT_MM, SCALE = 1.0, 1.02
LARGEST_GAMMA = np.hypot(0.02 / 0.03, SHIFT_MM / 2.0)  # at 3 % / 2 mm: the true place is 1 mm away, and there 2 % too high


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def changed(source: Path, target: Path, change: Callable[[pydicom.Dataset], None]) -> Path:
    dataset = pydicom.dcmread(source)
    change(dataset)
    dataset.save_as(target)
    return target


def move_and_scale(dose: pydicom.Dataset) -> None:
    x, y, z = (float(v) for v in dose.ImagePositionPatient)
    dose.ImagePositionPatient = [x + SHIFT_MM, y, z]
    dose.DoseGridScaling = f"{float(dose.DoseGridScaling) * SCALE:.10g}"


def evaluated(predicted: Path, reference: Path, struct: Path, out: Path, *words: str) -> dict:
    assert main(["evaluate", str(predicted), str(reference), "--rtstruct", str(struct), "--out", str(out), *words]) == 0
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def refusal(capsys: pytest.CaptureFixture[str], out: Path, *words: object) -> str:
    """The one sentence of a command that must end with exit code 2 and write nothing."""
    assert main(["evaluate", *map(str, words), "--out", str(out)]) == 2
    assert not out.exists()
    return capsys.readouterr().err.strip()


def explained(found: dict, reference: Path, struct: Path, rois: list[str], tolerance_gy: float) -> None:
    """Metrics of the shifted dose are those of the unshifted one in structures shifted the other way, scaled."""
    dose = read_rtdose(reference).dose
    structures = read_rtstruct(struct).structures
    rows = {row["roi"]: row for row in found["structures"]}
    for roi in rois:
        i, j, k = dose.grid.size
        around = dose.grid.cropped((-8, -8, -8), (i + 16, j + 16, k + 16)).resampled((1.25, 1.25, dose.grid.spacing[2] / 2))
        volume = rasterise(structures[roi], around).volume
        x, y, z = volume.grid.origin
        there = Volume(volume.array, type(volume.grid)(volume.grid.size, volume.grid.spacing, (x - SHIFT_MM, y, z)))
        here, moved = Dvh.of(dose, volume), Dvh.of(dose, there)
        assert rows[roi]["reference"]["dmean_gy"] == pytest.approx(here.mean_gy, abs=tolerance_gy)
        assert rows[roi]["predicted"]["dmean_gy"] == pytest.approx(SCALE * moved.mean_gy, abs=tolerance_gy)
        for key, percent in {"d95_gy": 95, "d50_gy": 50, "d2_gy": 2}.items():
            assert rows[roi]["predicted"][key] == pytest.approx(SCALE * moved.dose_to_percent(percent), abs=2 * tolerance_gy)


def gamma_of(folder: Path) -> np.ndarray:
    gamma = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "gamma.nrrd")))
    return gamma[gamma >= 0]


def test_shift_and_scale_of_the_synthetic_patient_explain_every_number(phantom_folder: Path, tmp_path: Path) -> None:
    reference, struct = phantom_folder / "RD.dcm", phantom_folder / "RS.dcm"
    moved = changed(reference, tmp_path / "moved.dcm", move_and_scale)
    found = evaluated(moved, reference, struct, tmp_path / "out", "--pdf")
    explained(found, reference, struct, ["PTV70", "Parotid_L", "SpinalCord"], 0.1)
    assert found["gamma"]["percent_within_1"] == 100 and gamma_of(tmp_path / "out").max() <= LARGEST_GAMMA + 0.01
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "report.html", "report.pdf", "report.json", "dvh.csv", "goals.csv", "objectives.csv", "difference.nrrd", "gamma.nrrd",
    }  # fmt: skip
    assert (tmp_path / "out" / "report.pdf").read_bytes()[:5] == b"%PDF-"
    assert any("No CT was given" in note for note in found["notes"])


def test_shift_and_scale_of_a_clinical_dose_explain_every_number(shared: Path, tmp_path: Path) -> None:
    home = shared / "data" / "dicom-rt" / "breast-boost-complete"
    reference, struct, prescription = home / "RD.dcm", home / "RS.dcm", "Tumor Bed=14"
    moved = changed(reference, tmp_path / "moved.dcm", move_and_scale)
    words = ["--prescription", prescription, "--tps-dvh", str(reference)]
    found = evaluated(moved, reference, struct, tmp_path / "out", *words)
    explained(found, reference, struct, ["Tumor Bed", "Heart", "Breast"], 0.03)
    assert found["gamma"]["percent_within_1"] == 100 and gamma_of(tmp_path / "out").max() <= LARGEST_GAMMA + 0.01
    body = next(entry for entry in found["errors"] if entry["mask"] == "inside the body contour")
    whole = next(row for row in found["structures"] if row["name"] == "External")
    assert body["mean_gy"] == pytest.approx((SCALE - 1) * whole["reference"]["dmean_gy"], abs=0.01)
    breast = next(entry for entry in found["tps_dvh"] if entry["roi"] == "Breast")
    assert abs(breast["metrics"]["Mean[Gy]"]["difference"]) < 0.1


def test_equal_doses_differ_nowhere_and_no_organ_is_worth_a_look(phantom_folder: Path, tmp_path: Path) -> None:
    reference = phantom_folder / "RD.dcm"
    found = evaluated(reference, reference, phantom_folder / "RS.dcm", tmp_path / "out", "--ct", str(phantom_folder))
    assert found["flags"] == [] and all(entry["largest_gy"] == 0 for entry in found["errors"])
    assert found["gamma"]["percent_within_1"] == 100 and found["gamma"]["mean"] == 0
    assert all(entry["dice"] == 1 and entry["hausdorff95_mm"] < 0.01 for entry in found["isodoses"])
    assert found["ssim"] == pytest.approx(1)
    assert not any("No CT was given" in note for note in found["notes"]) and any("RD.dcm" in note for note in found["notes"])
    assert "DosePredict, Phantom" in page(tmp_path / "out")


def test_an_anonymous_report_quotes_no_name_number_date_uid_or_file(phantom_folder: Path, tmp_path: Path) -> None:
    def label(struct: pydicom.Dataset) -> None:
        struct.PatientName, struct.PatientID = "Doe^Jane", "MRN-00812"
        names = {"Parotid_L": "Parotid_L Jane", "Larynx": "Larynx 2026-03-14"}
        for roi in struct.StructureSetROISequence:
            roi.ROIName = names.get(str(roi.ROIName), roi.ROIName)

    reference = phantom_folder / "RD.dcm"
    struct = changed(phantom_folder / "RS.dcm", tmp_path / "struct of Doe", label)
    predicted = changed(reference, tmp_path / "MRN-00812 dose", lambda dose: None)
    found = evaluated(predicted, reference, struct, tmp_path / "out", "--anonymise", "--pdf")
    assert any("Larynx (date)" in row["roi"] for row in found["structures"])
    uid = str(pydicom.dcmread(struct).SOPInstanceUID)
    texts = [page(tmp_path / "out"), *(p.read_text("utf-8") for p in (tmp_path / "out").glob("*.[cj]s*"))]
    for word in ("Doe", "Jane", "MRN", "00812", "2026-03-14", "RD.dcm", uid, str(tmp_path)):
        assert not any(word in text for text in texts), word


def page(folder: Path) -> str:
    """The page with the text of its SVG."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    images = re.findall(r"data:image/svg\+xml;base64,([^\"]*)", text)
    return re.sub(r"base64,[^\"]*", "", text) + "".join(base64.b64decode(image).decode() for image in images)


def test_doses_in_different_frames_of_reference_are_refused(phantom_folder: Path, tmp_path: Path, capsys) -> None:
    reference = phantom_folder / "RD.dcm"
    other = changed(reference, tmp_path / "other.dcm", lambda dose: setattr(dose, "FrameOfReferenceUID", "1.2.3.4"))
    words = (other, reference, "--rtstruct", phantom_folder / "RS.dcm")
    assert "different frames of reference" in refusal(capsys, tmp_path / "out", *words)
    both = (other, other, "--rtstruct", phantom_folder / "RS.dcm")
    assert "another frame of reference than the structure set" in refusal(capsys, tmp_path / "out", *both)


def test_a_dose_in_centigray_is_asked_about_and_then_taken_as_said(phantom_folder: Path, tmp_path: Path, capsys) -> None:
    def to_centigray(dose: pydicom.Dataset) -> None:
        dose.DoseGridScaling = f"{float(dose.DoseGridScaling) * 100:.10g}"

    reference, struct = phantom_folder / "RD.dcm", phantom_folder / "RS.dcm"
    cgy = changed(reference, tmp_path / "cgy.dcm", to_centigray)
    sentence = refusal(capsys, tmp_path / "out", cgy, reference, "--rtstruct", struct)
    assert "about 100 times" in sentence and "--in-cgy predicted" in sentence
    found = evaluated(cgy, reference, struct, tmp_path / "out", "--in-cgy", "predicted")
    assert abs(found["errors"][0]["largest_gy"]) < 1e-3


def test_what_cannot_be_evaluated_is_refused_in_one_sentence(phantom_folder: Path, tmp_path: Path, capsys) -> None:
    reference, struct = phantom_folder / "RD.dcm", phantom_folder / "RS.dcm"
    goals = tmp_path / "goals.csv"
    goals.write_text("structure,metric,limit\nSpinalCord,Dmaximum[Gy],<= 45\n", encoding="utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "report.json").write_text("{}")
    cases = {
        "is not an RTDOSE": (struct, reference, "--rtstruct", struct),
        "no file or folder named nowhere": (reference, tmp_path / "nowhere", "--rtstruct", struct),
        "Line 2 of goals.csv": (reference, reference, "--rtstruct", struct, "--goals", goals),
        "Nobody": (reference, reference, "--rtstruct", struct, "--prescription", "Nobody=70"),
        "No CT was found": (reference, reference, "--rtstruct", struct, "--ct", tmp_path / "taken"),
    }
    for said, words in cases.items():
        assert said in refusal(capsys, tmp_path / "out", *words)
    words = ["evaluate", str(reference), str(reference), "--rtstruct", str(struct), "--out", str(tmp_path / "taken")]
    assert main(words) == 2 and "already holds" in capsys.readouterr().err
