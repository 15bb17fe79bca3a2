"""Pairs of planned and measured dose: what a network learns from them, and words for those that do not belong together."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from DosePredictLib.core import DicomError, DoseGrid, GeometryError, InputError, Recipe
from DosePredictLib.preprocessing.dose_channels import dose_conditions, gray_on, highest, measured_dose
from DosePredictLib.preprocessing.intensity import unit_to_dose
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.measurement import SimulatedMeasurement
from DosePredictLib.training.pairs import load_pairs, measurement_facts, patient_of_pair, read_pair, simulated_pair
from DosePredictLib.training.settings import Settings, TrainingRecipe

MODE_A = Recipe(model="dmtp", network={"given": ("RTDose",)}, spacing_mm=(6.0, 6.0, 6.0), margin_mm=0.0, structures=())
MODE_B = replace(MODE_A, network={"given": ("RTDose", "CT")})
SIMULATION = SimulatedMeasurement(seed=1)


def change(path: Path, **attributes) -> None:
    dataset = pydicom.dcmread(path)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


@pytest.fixture
def pair(phantom_folder, tmp_path) -> Path:
    """A folder with a planned dose, and one of 2 % more that stands for the measured one."""
    folder = tmp_path / "pair"
    folder.mkdir()
    (dose,) = (
        path for path in phantom_folder.rglob("*.dcm") if pydicom.dcmread(path, stop_before_pixels=True).Modality == "RTDOSE"
    )
    shutil.copy(dose, folder / "planned.dcm")
    shutil.copy(dose, folder / "measured.dcm")
    scaling = float(pydicom.dcmread(dose).DoseGridScaling)
    change(folder / "measured.dcm", DoseGridScaling=f"{1.02 * scaling:.9g}")
    return folder


def test_a_real_pair_is_learned_as_it_was_measured(pair):
    patient = patient_of_pair(read_pair(pair, SIMULATION), MODE_A)
    planned, measured = ((array.astype(float) + 1) for array in (patient.channels[:, 0], patient.dose))
    high = patient.counts & (planned > 0.5)
    assert np.median(measured[high] / planned[high]) == pytest.approx(1.02, abs=1e-3)


def test_a_case_without_measurement_gets_a_simulated_one_and_the_card_says_so(pair, phantom_case):
    patient = patient_of_pair(simulated_pair(phantom_case, SIMULATION), MODE_B)
    assert patient.channels.shape[1] == 2
    difference = (patient.dose.astype(float) - patient.channels[:, 0])[patient.counts]
    assert 0.005 < np.abs(difference).mean() < 0.1
    facts = measurement_facts([pair, pair.parent], SIMULATION)["pairs"]
    assert (facts["measured"], facts["simulated"], facts["simulation"]["seed"]) == (1, 1, 1)


def test_the_channels_are_the_planned_dose_as_a_share_of_its_maximum(phantom_case):
    planned = phantom_case.reference
    given = dose_conditions(planned, None, MODE_A)
    gray = unit_to_dose(given.channels[0], highest(planned), MODE_A)
    np.testing.assert_allclose(gray, given.box.take(gray_on(planned, given.grid)), atol=1e-3)
    rows, columns = given.box.shape[1:]
    assert rows % MODE_A.pad_multiple == 0 and columns % MODE_A.pad_multiple == 0


def test_a_predicted_difference_is_added_to_the_planned_dose_on_its_own_grid(phantom_case):
    planned = phantom_case.reference
    given = dose_conditions(planned, None, MODE_A)
    unit = given.channels[0]
    same = measured_dose(planned, unit, given, MODE_A)
    np.testing.assert_allclose(same.gray, planned.gray, atol=1e-3)
    more = measured_dose(planned, (unit + 1) * 1.02 - 1, given, MODE_A)
    high = planned.gray > 0.5 * planned.gray.max()
    assert np.median(more.gray[high] / planned.gray[high]) == pytest.approx(1.02, abs=2e-3)


def test_another_simulation_is_another_cache(pair, tmp_path):
    plan = TrainingRecipe(MODE_A, Settings(), Augmentation(), measurement=SIMULATION)
    (first,) = load_pairs([pair], plan, tmp_path / "cache")
    (again,) = load_pairs([pair], plan, tmp_path / "cache")
    np.testing.assert_array_equal(first.dose, again.dose)
    list(load_pairs([pair], replace(plan, measurement=SimulatedMeasurement(seed=2)), tmp_path / "cache"))
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_doses_in_different_frames_are_refused(pair):
    change(pair / "measured.dcm", FrameOfReferenceUID="1.2.3.4")
    with pytest.raises(GeometryError, match="different frames of reference"):
        read_pair(pair, SIMULATION)


def test_a_relative_dose_is_refused(pair):
    change(pair / "planned.dcm", DoseUnits="RELATIVE")
    with pytest.raises(DicomError, match="RELATIVE"):
        read_pair(pair, SIMULATION)


def test_two_measured_doses_in_one_folder_are_refused(pair):
    shutil.copy(pair / "measured.dcm", pair / "measured2.dcm")
    with pytest.raises(InputError, match="exactly one"):
        read_pair(pair, SIMULATION)


def test_mode_b_without_a_ct_is_refused(pair):
    with pytest.raises(InputError, match="mode A"):
        patient_of_pair(read_pair(pair, SIMULATION), MODE_B)


def test_doses_that_do_not_overlap_are_refused(pair):
    found = read_pair(pair, SIMULATION)
    far = replace(found.measured.grid, origin=(9000.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="do not overlap"):
        patient_of_pair(replace(found, measured=DoseGrid(found.measured.gray, far)), MODE_A)


def test_a_planned_dose_of_zero_is_refused(phantom_case):
    empty = DoseGrid(np.zeros_like(phantom_case.reference.gray), phantom_case.reference.grid)
    with pytest.raises(InputError, match="zero everywhere"):
        dose_conditions(empty, None, MODE_A)
