"""Data for training: the same channels as in use, from OpenKBP and from DICOM; a model at the end that can be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib import registry
from DosePredictLib.core import InputError, Recipe
from DosePredictLib.inference.domain import check_domain
from DosePredictLib.inference.usual_targets import SHARES, UsualTargets
from DosePredictLib.preprocessing.channels import conditions, network_grid
from DosePredictLib.preprocessing.intensity import unit_to_dose
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.card import write_model
from DosePredictLib.training.dataset import find_cases, has_ct, load_patients, patient_of, read_case
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe

RECIPE = Recipe(
    model="dosediff", network={"distance_maps": 11, "widths": (8, 8), "time_width": 8}, spacing_mm=(8.0, 8.0, 8.0), steps=2
)


@pytest.fixture
def data(phantom_folder: Path) -> Path:
    """A folder with one DICOM case in it."""
    return phantom_folder.parent


def test_a_dicom_case_becomes_what_a_case_in_memory_becomes(data, phantom_case, tmp_path):
    learn, check = find_cases(data)
    (patient,) = load_patients(learn, RECIPE, tmp_path)
    expected = patient_of(phantom_case, RECIPE, network_grid(phantom_case, RECIPE))
    assert check == [] and patient.channels.shape == expected.channels.shape
    assert np.abs(patient.channels.astype(float) - expected.channels).mean() < 0.01
    assert np.abs(patient.dose.astype(float) - expected.dose).mean() < 0.01


def test_the_dose_to_learn_is_the_planned_one_at_its_place(phantom_case):
    case = phantom_case
    grid = network_grid(case, RECIPE)
    patient, given = patient_of(case, RECIPE, grid), conditions(case, RECIPE, grid)
    gray = unit_to_dose(patient.dose.astype(np.float64), case.prescription.highest_gy, RECIPE)
    inside = given.channels[2].astype(float) > 0.05
    share = gray[inside].mean() / case.prescription.highest_gy
    assert 1.0 < share < 1.08  # a plan whose D95 is the prescription


def test_a_cached_patient_is_the_same_patient(data, tmp_path):
    learn, _ = find_cases(data)
    (first,), (second,) = (list(load_patients(learn, RECIPE, tmp_path)) for _ in range(2))
    assert np.array_equal(first.channels, second.channels) and len(list(tmp_path.rglob("*.npz"))) == 1


def test_a_case_without_dose_cannot_be_learned_from(phantom_case):
    case = replace(phantom_case, reference=None)
    with pytest.raises(InputError, match="no dose"):
        patient_of(case, RECIPE, network_grid(case, RECIPE))


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither OpenKBP"):
        find_cases(tmp_path)


def test_of_dicom_cases_every_sixth_validates(tmp_path):
    for n in range(12):
        (tmp_path / f"case{n:02d}").mkdir()
    learn, check = find_cases(tmp_path)
    assert [p.name for p in check] == ["case05", "case11"] and len(learn) == 10


def test_openkbp_patients_without_ct_teach_where_the_recipe_says_so_but_never_validate(tmp_path):
    for name, files in {"pt_1": "ct", "pt_2": "", "pt_3": "no dose", "pt_201": "ct", "pt_202": ""}.items():
        (tmp_path / name).mkdir()
        for file in ("possible_dose_mask", "voxel_dimensions", "ct" * (files == "ct"), "dose" * (files != "no dose")):
            (tmp_path / name / f"{file}.csv").touch()
    learn, check = find_cases(tmp_path, without_ct=True)
    assert [path.name for path in learn] == ["pt_1", "pt_2"] and [path.name for path in check] == ["pt_201"]
    assert [has_ct(path) for path in learn] == [True, False]
    assert [path.name for path in find_cases(tmp_path)[0]] == ["pt_1"]


def test_a_run_ends_in_a_model_that_can_be_installed_and_knows_its_domain(data, tmp_path, monkeypatch):
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "models"))
    plan = TrainingRecipe(RECIPE, Settings(steps=2, batch=2, warmup=1), Augmentation(), {"id": "mine", "version": "0.1"})
    learn, _ = find_cases(data)
    state = train(plan, list(load_patients(learn, RECIPE, tmp_path)), [], tmp_path, resume=False)
    usual = UsualTargets({"PTV_High": np.linspace(0.9, 1.1, len(SHARES))}, 0.5)
    write_model(state, plan, learn, tmp_path / "model", usual=usual)
    model = registry.install(tmp_path / "model")
    assert UsualTargets.of(model.card).in_card == usual.in_card  # type: ignore[union-attr]
    registry.verify(registry.find("mine"))
    case = read_case(learn[0])
    assert check_domain(case, model.card).verdict == "inside"
    assert json.dumps(Recipe.from_dict(model.card["recipe"]).to_dict()) == json.dumps(RECIPE.to_dict())
    halved = replace(case.prescription, targets=tuple(replace(t, dose_gy=t.dose_gy / 2) for t in case.prescription.targets))
    assert check_domain(replace(case, prescription=halved), model.card).verdict == "outside"
