"""OpenKBP's CSV layout, against an independent reader of the same patients and against a patient made here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import InputError
from DosePredictLib.io.openkbp import find_patients, is_complete, is_training, read_patient, write_dose


def write_csv(path: Path, index: list[int], values: list[float] | None = None) -> None:
    rows = [f"{i}," if values is None else f"{i},{v}" for i, v in zip(index, values or index, strict=True)]
    path.write_text(",data\n" + "\n".join(rows) + "\n")


def flat(posterior: int, left: int, inferior: int) -> int:
    """The challenge's voxel number: axes grow to posterior, left and inferior."""
    return (posterior * 128 + left) * 128 + inferior


@pytest.fixture
def patient_folder(tmp_path: Path) -> Path:
    """One voxel of PTV70 high up, to the left and in front; another of cord."""
    folder = tmp_path / "pt_7"
    folder.mkdir()
    (folder / "voxel_dimensions.csv").write_text("3.9\n3.8\n2.5\n")
    target, cord = flat(20, 100, 5), flat(90, 64, 64)
    write_csv(folder / "ct.csv", [target, cord], [1040, 30000])
    write_csv(folder / "dose.csv", [target], [70.125])
    write_csv(folder / "PTV70.csv", [target])
    write_csv(folder / "SpinalCord.csv", [cord])
    write_csv(folder / "possible_dose_mask.csv", [target, cord])
    return folder


def test_a_voxel_lands_where_the_challenge_says(patient_folder):
    patient = read_patient(patient_folder)
    grid = patient.case.ct.grid
    assert grid.spacing == (3.8, 3.9, 2.5)
    ((k, j, i),) = np.argwhere(patient.masks["PTV70"])
    x, y, z = grid.to_world(np.array([i, j, k]))
    assert (x, y, z) == pytest.approx(((100 - 63.5) * 3.8, (20 - 63.5) * 3.9, (63.5 - 5) * 2.5))  # left, front, up


def test_units_and_names_are_those_of_the_library(patient_folder):
    case = read_patient(patient_folder).case
    assert case.ct.array.max() == 4095 - 1000 and case.ct.array.min() == -1000
    assert case.reference is not None and case.reference.gray.max() == pytest.approx(70.125)
    assert case.names == {"SpinalCord": "SpinalCord"}
    assert [(t.roi, t.dose_gy) for t in case.prescription.targets] == [("PTV70", 70.0)]


def test_a_patient_without_ct_can_be_one_of_water_to_learn_from(patient_folder):
    hu = read_patient(patient_folder, water_for_ct=True).case.ct.array
    assert hu.max() == 4095 - 1000  # he has one
    (patient_folder / "ct.csv").unlink()
    with pytest.raises(InputError, match=r"pt_7/ct\.csv is missing"):
        read_patient(patient_folder)
    patient = read_patient(patient_folder, water_for_ct=True)
    assert np.array_equal(patient.case.ct.array, np.where(patient.possible_dose_mask, 0, -1000))


def test_a_dose_written_as_submission_is_read_back_as_it_was(patient_folder):
    rng = np.random.default_rng(0)
    gray = np.where(rng.random((128, 128, 128)) < 1e-3, rng.random((128, 128, 128)) * 70, 0)
    write_dose(patient_folder / "dose.csv", gray)
    reference = read_patient(patient_folder).case.reference
    assert reference is not None
    np.testing.assert_allclose(reference.gray, gray, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("voxel_dimensions.csv", "3.9\n", "three numbers"),
        ("ct.csv", "a,b\nc,d\n", "ct.csv"),
        ("ct.csv", ",data\n2097152,5\n", "outside"),
    ],
)
def test_a_broken_file_is_named(patient_folder, file, content, words):
    (patient_folder / file).write_text(content)
    with pytest.raises(InputError, match=words):
        read_patient(patient_folder)


def test_patients_are_found_in_order_and_split_as_the_challenge_does(tmp_path):
    for name in ("train-pats/pt_10", "train-pats/pt_9", "validation-pats/pt_201", "notes"):
        (tmp_path / name).mkdir(parents=True)
    found = find_patients(tmp_path)
    assert [path.name for path in found] == ["pt_9", "pt_10", "pt_201"]
    assert [is_training(path) for path in found] == [True, True, False]
    assert not is_complete(found[0])


def test_a_folder_without_patients_is_refused(tmp_path):
    with pytest.raises(InputError, match="pt_1"):
        find_patients(tmp_path)


def test_real_patients_equal_what_an_independent_reader_sees(shared, tmp_path, monkeypatch):
    data = shared / "data" / "openkbp"
    monkeypatch.syspath_prepend(str(data))
    spec = importlib.util.spec_from_file_location("openkbp_unpack", data / "openkbp_unpack.py")
    assert spec and spec.loader
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    source = data / "valid" / "pt_201.npz"
    patient = read_patient(unpack.unpack(source, tmp_path))
    expected = sys.modules["okbp_reader"].load(source, order="zyx", clip_ct=4095)
    assert patient.case.reference is not None
    np.testing.assert_array_equal(patient.case.ct.array, expected["ct"][::-1].astype(np.float32) - 1000)
    np.testing.assert_allclose(patient.case.reference.gray, expected["dose"][::-1], atol=1e-5)
    np.testing.assert_array_equal(patient.possible_dose_mask, expected["pdm"][::-1])
    assert set(patient.masks) == set(expected["masks"])
    for name, mask in patient.masks.items():
        np.testing.assert_array_equal(mask, expected["masks"][name][::-1])
