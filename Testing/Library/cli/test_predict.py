"""The whole chain on the synthetic patient, with an untrained network: everything but the dose is as it must be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from DosePredictLib.cli.main import main
from DosePredictLib.phantom import COARSE_MM, write_phantom


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small, and without a planned dose: comparing with a dose that is noise takes long and says nothing."""
    folder = tmp_path_factory.mktemp("patient")
    write_phantom(folder, spacing_mm=COARSE_MM, planned=False)
    return folder


@pytest.fixture(autouse=True)
def tiny_model(models_with_tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models_with_tiny))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def predict(patient: Path, out: Path, *words: str) -> int:
    return main(["predict", str(patient), "--out", str(out), "--model", "tiny", "--progress", "json", *words])


def dose_of(folder: Path) -> sitk.Image:
    return sitk.ReadImage(str(next(folder.glob("RD.*.dcm"))))


def test_a_prediction_ends_with_dose_plan_and_report_on_the_grid_asked_for(patient, tmp_path, capsys) -> None:
    assert predict(patient, tmp_path, "--grid", "ct") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["stage"] for e in events if e["event"] == "stage"] == ["read", "preprocess", "sample", "write", "report"]
    assert events[0]["event"] == "started" and events[-1]["event"] == "done"
    steps = [(e["index"], e["count"]) for e in events if e["event"] == "step"]
    assert steps[0][0] == 0 and steps[-1][0] == steps[-1][1] > 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "report.json", "dvh.csv"} <= names
    assert sorted(name[:3] for name in names if name.endswith(".dcm")) == ["RD.", "RP."]
    ct, dose = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(patient))), dose_of(tmp_path)
    assert dose.GetSize() == ct.GetSize()
    assert np.allclose(dose.GetOrigin(), ct.GetOrigin(), atol=1e-3) and np.allclose(dose.GetSpacing(), ct.GetSpacing(), atol=1e-4)


def narrowed(models: Path, folder: Path) -> Path:
    """The tiny model with a card that the synthetic patient is far outside of."""
    shutil.copytree(models, folder)
    card = folder / "tiny" / "model.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"domain": {"highest prescription (Gy)": [20.0, 30.0]}}))
    return folder


def test_a_case_the_model_does_not_know_is_refused_and_on_demand_predicted_and_marked(
    patient, tmp_path, models_with_tiny, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(narrowed(models_with_tiny, tmp_path / "models")))
    out = tmp_path / "out"
    assert predict(patient, out) == 2
    assert "20 to 30" in capsys.readouterr().err and not out.exists()
    words = ["--outside-domain", "--steps", "3", "--samples", "2", "--seed", "5", "--device", "cpu", "--profile", "overview"]
    words += ["--technique", "IMRT"]
    assert predict(patient, out, *words) == 0
    report = json.loads((out / "report.json").read_text())
    assert "20 to 30" in report["outside_domain"] and list(out.glob("RP.*")) == []
    assert report["request"] == {"steps": 3, "samples": 2, "seed": 5, "device": "cpu", "technique": "IMRT"}
    assert report["model"]["id"] == "tiny" and len(report["model"]["weights_sha256"]) == 64
    assert set(report["timing_s"]) >= {"read", "preprocess", "sample", "write", "total"}
    assert report["timing_s"]["total"] >= report["timing_s"]["sample"] > 0 and report["peak_rss_mb"] > 50


def test_beside_a_planned_dose_the_difference_is_predicted_minus_planned(phantom_folder, tmp_path) -> None:
    assert predict(phantom_folder, tmp_path, "--grid", "dose", "--anonymise", "--pdf") == 0
    planned, predicted = sitk.ReadImage(str(phantom_folder / "RD.dcm")), dose_of(tmp_path)
    assert predicted.GetSize() == planned.GetSize() and np.allclose(predicted.GetOrigin(), planned.GetOrigin(), atol=1e-3)
    gray = [sitk.GetArrayFromImage(image) * float(image.GetMetaData("3004|000e")) for image in (predicted, planned)]
    hottest = tuple(int(n) for n in np.unravel_index(gray[1].argmax(), gray[1].shape))
    difference = sitk.ReadImage(str(tmp_path / "difference.nrrd"))
    place = difference.TransformPhysicalPointToIndex(predicted.TransformIndexToPhysicalPoint(hottest[::-1]))
    assert gray[1][hottest] == pytest.approx(73, abs=5)
    assert difference.GetPixel(place) == pytest.approx(gray[0][hottest] - gray[1][hottest], abs=0.05)
    report = json.loads((tmp_path / "report.json").read_text())
    target = next(row for row in report["structures"] if row["roi"] == "PTV70")
    for metric in ("dmean_gy", "d95_gy", "d0_03cc_gy"):
        expected = target["predicted"][metric] - target["reference"][metric]
        assert target["difference"][metric] == pytest.approx(expected, abs=1e-3)
    assert target["reference"]["d95_gy"] == pytest.approx(70.0, abs=3)
    assert (tmp_path / "gamma.nrrd").exists() and 0 <= report["gamma"]["percent_within_1"] <= 100
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Patient ID" not in page and "RD.dcm" not in page + json.dumps(report)
    assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"
