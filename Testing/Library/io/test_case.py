"""A whole case: what belongs together is found, what cannot be used ends in one sentence without identifiers."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest
from pydicom.uid import generate_uid

from DosePredictLib.core.errors import DicomError, GeometryError, InputError
from DosePredictLib.io.case import load_case
from DosePredictLib.io.inspect import inspect
from DosePredictLib.io.inspection_text import format_inspection


def set_value(keyword, value):
    return lambda dataset: setattr(dataset, keyword, value)


def test_a_complete_case_has_all_it_needs(whole_patient):
    found = load_case(whole_patient.folder)
    assert {t.roi: (t.dose_gy, t.source) for t in found.case.prescription.targets} == {
        "PTV_70": (70.0, "RTPLAN"),
        "PTV_56": (56.0, "RTPLAN"),
    }
    assert found.case.names == {
        "External": "BODY", "Parotid_L": "Parotid_L", "Parotid_R": "Parotid_R", "SpinalCord": "Spinal Cord"
    }  # fmt: skip
    assert float(found.case.reference.gray.max()) == pytest.approx(71.0)
    assert found.plan.fractions == (35,)
    assert found.ct_header.ImagePositionPatient[2] == -20 and "PixelData" not in found.ct_header
    assert found.rtstruct_header.StructureSetLabel == "SET" and "ROIContourSequence" not in found.rtstruct_header
    assert found.warnings == ("Not found among the ROIs: Brainstem, Esophagus, Larynx, Bone_Mandible.",)


def test_notes_and_warnings_are_free_of_identifiers(whole_patient):
    found = load_case(whole_patient.folder)
    said = " ".join((*found.notes, *found.warnings))
    secrets = [whole_patient.study, whole_patient.frame, whole_patient.series, "Secret", "SECRET", str(whole_patient.folder)]
    assert said and not [secret for secret in secrets if secret in said]


def test_files_may_be_listed_one_by_one_and_foreign_files_lie_about(whole_patient):
    (whole_patient.folder / "notes.txt").write_text("not DICOM")
    (whole_patient.folder / "empty").touch()
    assert load_case(sorted(whole_patient.folder.iterdir())).case.ct.grid.size[2] == 10


def test_copies_of_the_same_slices_do_no_harm(whole_patient):
    shutil.copytree(whole_patient.folder, whole_patient.folder / "copies")
    assert load_case(whole_patient.folder).case.ct.grid.size[2] == 10


def test_a_case_without_plan_and_dose_takes_the_names(whole_patient):
    (whole_patient.folder / "plan").unlink()
    (whole_patient.folder / "dose").unlink()
    found = load_case(whole_patient.folder)
    assert found.plan is None and found.case.reference is None
    assert {t.source for t in found.case.prescription.targets} == {"ROI name"}


def test_what_the_user_says_is_taken(whole_patient):
    found = load_case(
        whole_patient.folder,
        names={"Larynx": "Spinal Cord", "SpinalCord": ""},
        prescription={"PTV_56": 60.0},
        choose={"RTDOSE": "none"},
    )
    assert found.case.names["Larynx"] == "Spinal Cord" and "SpinalCord" not in found.case.names
    assert [(t.roi, t.dose_gy) for t in found.case.prescription.targets] == [("PTV_56", 60.0)]
    assert found.case.reference is None


def test_of_two_ct_series_the_one_contoured_on_is_taken_and_the_reason_told(whole_patient):
    whole_patient.ct(series=generate_uid(), slices=12, prefix="other")
    found = load_case(whole_patient.folder)
    assert found.case.ct.grid.size[2] == 10
    assert "The CT with 10 slices is taken of 2 series: the contours were drawn on it." in found.notes


def test_the_other_ct_series_can_be_chosen(whole_patient):
    other = generate_uid()
    whole_patient.ct(series=other, slices=12, prefix="other")
    assert load_case(whole_patient.folder, choose={"CT": other[-12:]}).case.ct.grid.size[2] == 12


def test_of_two_structure_sets_the_planned_one_is_taken(whole_patient, draw_box):
    def newer(dataset):
        dataset.SOPInstanceUID, dataset.StructureSetDate = generate_uid(), "20270101"

    whole_patient.rtstruct({"PTV_66": draw_box(0, 0, 5, (0, 5))}, name="newer", change=newer)
    found = load_case(whole_patient.folder)
    assert found.case.prescription.highest_gy == 70
    assert any(note.startswith("structures is taken of 2 structure sets") for note in found.notes)
    chosen = load_case(whole_patient.folder, choose={"RTSTRUCT": "newer"})
    assert chosen.case.prescription.highest_gy == 66
    assert chosen.plan is None and any("made for another structure set" in warning for warning in chosen.warnings)


def test_of_two_plans_of_one_structure_set_the_one_with_a_dose_is_taken(whole_patient):
    def newer(dataset):
        dataset.SOPInstanceUID, dataset.RTPlanDate = generate_uid(), "20270101"

    whole_patient.rtplan([(1, "", 60.0)], name="newer", change=newer)
    found = load_case(whole_patient.folder)
    assert found.case.prescription.highest_gy == 70
    assert any(note.startswith("plan is taken of 2 plans") for note in found.notes)
    assert load_case(whole_patient.folder, choose={"RTPLAN": "newer"}).case.prescription.highest_gy == 60


def test_the_dose_of_the_plan_is_taken_before_that_of_a_beam(whole_patient):
    whole_patient.rtdose(gray=np.full((4, 12, 9), 30.0), summation="BEAM", name="beam")
    found = load_case(whole_patient.folder)
    assert float(found.case.reference.gray.max()) == pytest.approx(71.0)
    assert "dose is taken of 2 doses: the newest PLAN dose." in found.notes


def test_a_named_dose_is_taken_before_the_one_found(whole_patient):
    path = whole_patient.rtdose(gray=np.full((4, 12, 9), 72.0), name="named")
    assert float(load_case(whole_patient.folder, reference=path).case.reference.gray.max()) == pytest.approx(72.0)


def test_a_dose_in_another_frame_of_reference_is_passed_over_unless_it_is_named(whole_patient):
    path = whole_patient.rtdose(gray=np.full((4, 12, 9), 71.0), change=set_value("FrameOfReferenceUID", "1.2.3"))
    found = load_case(whole_patient.folder)
    assert found.case.reference is None and any(
        "another frame of reference than the CT and is not used" in w for w in found.warnings
    )
    with pytest.raises(GeometryError, match="The dose dose has another frame of reference than the CT"):
        load_case(whole_patient.folder, reference=path)


def test_a_dose_that_does_not_suit_the_prescription_is_told(whole_patient):
    whole_patient.rtdose(gray=np.full((4, 12, 9), 7100.0))
    assert any(
        "maximum of the dose dose is 7100.0 Gy for a prescription of 70 Gy" in w for w in load_case(whole_patient.folder).warnings
    )


def test_exchanged_parotids_are_told(whole_patient):
    found = load_case(whole_patient.folder, names={"Parotid_L": "Parotid_R", "Parotid_R": "Parotid_L"})
    assert "Parotid_R lies to the right of Parotid_L: the two seem to be exchanged." in found.warnings


def test_a_target_partly_outside_the_ct_is_told(whole_patient, draw_box):
    whole_patient.rtstruct({"PTV_70": draw_box(0, 0, 8, (20, 25, 30, 35))})
    assert any(w.startswith("PTV_70 lies partly outside the CT (50 %)") for w in load_case(whole_patient.folder).warnings)


def remove(*names):
    return lambda patient: [path.unlink() for name in names for path in patient.folder.glob(name)]


def truncate(name):
    def spoil(patient):
        (path,) = patient.folder.glob(name)
        path.write_bytes(path.read_bytes()[:-60])

    return spoil


def other_frame(patient):
    patient.frame = "1.2.826.0.1.3680043.9.1"
    patient.ct()


REFUSALS = {
    "no CT": (remove("x*"), InputError, "No CT was found among 3 DICOM files"),
    "no RTSTRUCT": (remove("structures"), InputError, "No RTSTRUCT was found among 12 DICOM files"),
    "nothing DICOM": (
        lambda p: [path.write_bytes(b"some words" * 20) for path in p.folder.iterdir()], InputError, "None of the 13 files found"
    ),
    "another frame of reference": (other_frame, GeometryError, "structure set has another frame of reference than the CT"),
    "no target": (
        lambda p: p.rtstruct({"BODY": [np.eye(3)]}, types={"BODY": "EXTERNAL"}), InputError, "No target was recognised"
    ),
    "empty target": (
        lambda p: [remove("plan")(p), p.rtstruct({"PTV_70": [], "BODY": [np.eye(3)]})], InputError, "PTV_70 has no contours"
    ),
    "no prescription": (
        lambda p: [remove("plan")(p), p.rtstruct({"PTV_High": [np.eye(3)]})], InputError, "No prescription was found for PTV_High"
    ),
    "one fraction prescribed": (lambda p: p.rtplan([(1, "", 2.0), (2, "", 1.6)]), InputError, "is 2 Gy, outside 10-100 Gy"),
    "levels out of order": (lambda p: p.rtplan([(1, "", 56.0), (2, "", 70.0)]), InputError, "levels are out of order"),
    "target elsewhere": (
        lambda p: p.rtstruct({"PTV_70": [np.eye(3) + 900]}), GeometryError, "The target PTV_70 lies outside the CT"
    ),
    "missing slice": (remove("x21_3"), GeometryError, "after position -10.00 mm the next is 10.00 mm away"),
    "tilted CT": (
        lambda p: p.ct(change=lambda k, d: setattr(d, "ImagePositionPatient", [0, k, 5 * k])), GeometryError, "tilted gantry"
    ),
    "relative dose": (lambda p: p.rtdose(change=set_value("DoseUnits", "RELATIVE")), DicomError, "RELATIVE, not GY"),
    "truncated dose": (truncate("dose"), DicomError, "dose is truncated"),
    "truncated structure set": (truncate("structures"), DicomError, "structures is truncated"),
    "truncated plan": (truncate("plan"), InputError, "plan is truncated"),
    "truncated slice": (truncate("x14_2"), DicomError, "x14_2 is truncated"),
}  # fmt: skip


@pytest.mark.parametrize("spoil, kind, words", REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_used_is_refused_in_one_sentence(whole_patient, spoil, kind, words):
    spoil(whole_patient)
    with pytest.raises(kind) as refusal:
        load_case(whole_patient.folder)
    sentence = str(refusal.value)
    assert words in sentence
    assert "\n" not in sentence and sentence.endswith((".", "=70."))
    assert not [
        s for s in (whole_patient.study, whole_patient.frame, "Secret", "SECRET", str(whole_patient.folder)) if s in sentence
    ]


@pytest.mark.parametrize("name", ["x21_3", "structures", "plan", "dose"])
def test_whatever_bytes_are_damaged_a_case_is_read_or_refused_and_never_crashes(whole_patient, name):
    path = whole_patient.folder / name
    content = path.read_bytes()
    chance = np.random.default_rng(7)
    for _ in range(10):
        damaged = bytearray(content)
        for place in chance.integers(132, min(len(content), 1500), chance.choice([1, 3, 10])):
            damaged[place] = chance.integers(256)
        path.write_bytes(damaged)
        assert format_inspection(inspect(whole_patient.folder))
        with contextlib.suppress(InputError):
            load_case(whole_patient.folder)


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_case(tmp_path / "nowhere")


@pytest.mark.parametrize("wish", [{"CT": "9999.9"}, {"RTDOSE": "x"}, {"MR": "1"}])
def test_a_choice_that_fits_nothing_is_refused(whole_patient, wish):
    with pytest.raises(InputError, match=r"fits 0 of|cannot be chosen"):
        load_case(whole_patient.folder, choose=wish)


def test_the_breast_case_is_refused_until_its_target_is_named(sets):
    with pytest.raises(InputError, match=r"No target was recognised .* \(the plan prescribes 14 Gy\)"):
        load_case(sets / "breast-boost-complete")
    found = load_case(sets / "breast-boost-complete", prescription={"Tumor Bed Block": 14.0})
    assert found.case.ct.grid.shape == (98, 512, 512)
    assert found.case.names == {"External": "BODY", "Heart": "Heart", "Lung_L": "Lt Lung"}
    assert float(found.case.reference.gray.max()) == pytest.approx(14.681, abs=1e-3)


def test_the_prostate_case_takes_its_prescription_from_the_plan(sets):
    found = load_case(sets / "eclipse-prostate-rando")
    assert [(t.roi, t.dose_gy, t.source) for t in found.case.prescription.targets] == [("PTV", 46.0, "RTPLAN")]
    assert found.case.names["Femur_Head_L"] == "Femoral Head Lt"
    assert not any("exchanged" in warning for warning in found.warnings)
