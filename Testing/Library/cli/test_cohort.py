"""calibrate and commission over folders of cases: a known bias comes out, bad cases are named, done ones are not done again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from DosePredictLib.cli import cohort
from DosePredictLib.cli.main import main
from DosePredictLib.core import (
    Case,
    DicomError,
    DoseGrid,
    Grid,
    InputError,
    Prescription,
    Structure,
    StructureSet,
    Target,
    Volume,
)
from DosePredictLib.evaluation.calibration import read_calibration
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.registry import calibration_file

GRID = Grid((20, 20, 10), (4.0, 4.0, 5.0), (0.0, 0.0, 0.0))
BIAS_GY, SPREAD_GY = -1.2, 1.5


def box_case(seed: int) -> Case:
    """Target and parotid, with a planned dose of 70 and 20 to 30 Gy."""
    rng = np.random.default_rng(seed)
    target, parotid, body = (np.zeros(GRID.shape, np.float32) for _ in range(3))
    target[3:7, 5:10, 5:10] = parotid[3:7, 12:16, 5:10] = body[:, 2:18, 2:18] = 1
    rois = (("PTV", target), ("parotid", parotid), ("skin", body))
    structures = tuple(Structure(name, number=n, occupancy=Volume(mask, GRID)) for n, (name, mask) in enumerate(rois))
    gray = np.where(target > 0, 70.0, np.where(parotid > 0, rng.uniform(20, 30), 5.0))
    return Case(
        ct=Volume(np.where(body > 0, 30.0, -1000.0), GRID),
        structures=StructureSet(structures),
        prescription=Prescription((Target("PTV", 70.0),)),
        names={"Parotid_L": "parotid", "External": "skin"},
        reference=DoseGrid(gray, GRID),
    )


@dataclass
class BiasedPredictor:
    """Predicts the planned dose, all around the parotid a known amount too low."""

    calls: int = 0
    default_steps: int = 1

    card = {"id": "tiny", "weights_sha256": "ab" * 32}  # noqa: RUF012
    device = SimpleNamespace(type="cpu")

    def predict(self, case: Case, *, seed: int, **_: object) -> SimpleNamespace:
        assert case.reference is not None
        error = np.random.default_rng([seed, self.calls]).normal(BIAS_GY, SPREAD_GY)
        self.calls += 1
        beyond_the_target = np.arange(20)[None, :, None] > 10  # and so around the parotid
        return SimpleNamespace(dose=DoseGrid(np.maximum(case.reference.gray + error * beyond_the_target, 0), GRID))


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BiasedPredictor:
    """Cases are numbers in files; "bad" is a damaged one."""

    def read(folder: Path) -> tuple:
        text = (folder / "case.txt").read_text()
        if text == "bad":
            raise DicomError(f"The file {next(folder.iterdir()).name} is damaged.")
        case = box_case(int(text.strip("-")))
        return (replace(case, reference=None) if text.startswith("-") else case), cohort_occupancies(case), {}

    found = BiasedPredictor()
    monkeypatch.setattr(cohort, "_read", read)
    monkeypatch.setattr(Predictor, "load", classmethod(lambda cls, model, device: found))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home"))
    return found


def cohort_occupancies(case: Case) -> dict[str, Volume]:
    return {structure.name: structure.occupancy for structure in case.structures if structure.occupancy}


def cases(folder: Path, *contents: object) -> Path:
    for number, content in enumerate(contents):
        (folder / f"patient{number:03d}").mkdir(parents=True, exist_ok=True)
        (folder / f"patient{number:03d}" / "case.txt").write_text(str(content))
    return folder


def test_a_known_bias_comes_out_and_one_bad_case_is_named_and_skipped(predictor, tmp_path, capsys) -> None:
    folder = cases(tmp_path / "plans", *range(60), "bad", "-7")
    assert main(["calibrate", str(folder), "--model", "tiny"]) == 0
    shown = capsys.readouterr()
    assert "case 61 (patient060) is skipped: The file case.txt is damaged." in shown.err
    assert "case 62 (patient061) is skipped: it has no planned dose" in shown.err
    kept = read_calibration(calibration_file("tiny"))
    assert kept.cases == 60 and (kept.steps, kept.samples) == (1, 1)
    parotid, target = kept.of("Parotid_L")["dmean_gy"], kept.of("PTV_High")["dmean_gy"]
    assert parotid.mean == pytest.approx(BIAS_GY, abs=3 * SPREAD_GY / np.sqrt(60))
    assert parotid.spread == pytest.approx(SPREAD_GY, rel=0.3)
    assert target.mean == pytest.approx(0, abs=1e-3)
    assert "At your site Parotid_L Mean is predicted" in shown.out and "too low on average" in shown.out


def test_cases_done_before_are_not_done_again_until_their_files_change(predictor, tmp_path) -> None:
    folder = cases(tmp_path / "plans", *range(20))
    assert main(["calibrate", str(folder), "--model", "tiny"]) == 0 and predictor.calls == 20
    first = calibration_file("tiny").read_text()
    cases(folder / "later", 20)
    shutil.move(folder / "later" / "patient000", folder / "patient020")
    (folder / "later").rmdir()
    (folder / "patient003" / "case.txt").write_text("303")
    assert main(["calibrate", str(folder), "--model", "tiny"]) == 0 and predictor.calls == 22
    assert calibration_file("tiny").read_text() != first


def test_fewer_than_twenty_plans_are_refused_before_anything_is_predicted(predictor, tmp_path, capsys) -> None:
    assert main(["calibrate", str(cases(tmp_path / "plans", *range(19))), "--model", "tiny"]) == 2
    assert "needs 20 or more of your own plans, and here are 19" in capsys.readouterr().err
    assert predictor.calls == 0 and not calibration_file("tiny").exists()


def test_too_few_usable_plans_write_nothing(predictor, tmp_path, capsys) -> None:
    assert main(["calibrate", str(cases(tmp_path / "plans", *range(19), "bad", "bad")), "--model", "tiny"]) == 2
    assert "here are 19 that can be used" in capsys.readouterr().err and not calibration_file("tiny").exists()


def test_kept_results_name_no_patient(predictor, tmp_path) -> None:
    folder = cases(tmp_path / "plans", *range(20))
    assert main(["calibrate", str(folder), "--model", "tiny", "--out", str(tmp_path / "ours.json")]) == 0
    assert read_calibration(tmp_path / "ours.json").cases == 20
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert len(kept) == 20
    assert all("patient" not in path.name + path.read_text() for path in kept)


def test_a_commissioning_report_numbers_its_cases_unless_names_are_wanted(predictor, tmp_path, capsys) -> None:
    folder, out = cases(tmp_path / "plans", *range(10), "bad"), tmp_path / "out"
    assert main(["commission", str(folder), "--model", "tiny", "--out", str(out)]) == 0
    content = json.loads((out / "commissioning.json").read_text())
    assert list(content["cases"]) == [f"case {n}" for n in range(1, 11)] and list(content["skipped"]) == ["case 11"]
    texts = {path.name: path.read_text() for path in out.iterdir() if path.is_file()}
    assert set(texts) == {"commissioning.html", "commissioning.json", "cases.csv"}
    assert all("patient0" not in text and "case.txt" not in text for text in texts.values())
    assert content["skipped"]["case 11"] == "The file … is damaged."
    assert main(["commission", str(folder), "--model", "tiny", "--out", str(out), "--names"]) == 0
    assert "patient003" in (out / "commissioning.html").read_text() and predictor.calls == 10


def test_folders_of_cases_and_cases_are_told_apart(tmp_path) -> None:
    plans = cases(tmp_path / "plans", 1, 2)
    (plans / ".hidden").mkdir()
    assert [path.name for path in cohort.case_folders([plans])] == ["patient000", "patient001"]
    assert cohort.case_folders([plans / "patient000", plans]) == cohort.case_folders([plans])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No case was found in empty"):
        cohort.case_folders([tmp_path / "empty"])
    with pytest.raises(InputError, match="no file or folder named nowhere"):
        cohort.case_folders([tmp_path / "nowhere"])


def test_real_files_go_the_whole_way(phantom_folder, models_with_tiny, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models_with_tiny))
    shutil.copytree(phantom_folder, tmp_path / "plans" / "one")
    (tmp_path / "plans" / "two").mkdir()
    (tmp_path / "plans" / "two" / "notes.txt").write_text("nothing here")
    assert (
        main(["commission", str(tmp_path / "plans"), "--model", "tiny", "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    )
    result = json.loads((tmp_path / "out" / "commissioning.json").read_text())["cases"]["case 1"]
    planned = {(pair["structure"], pair["column"]): pair["planned"] for pair in result["pairs"]}
    assert planned["PTV_High", "d95_gy"] == pytest.approx(70, abs=3) and planned["SpinalCord", "dmean_gy"] < 45
    assert result["dose_error_gy"] > 5  # an untrained network
    assert "case 2 (two) is skipped" in capsys.readouterr().err
