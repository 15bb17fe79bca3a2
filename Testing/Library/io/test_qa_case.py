"""A plan before its measurement: the RTDOSE suffices, what does not belong to it is left out or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from DosePredictLib.core import Volume
from DosePredictLib.core.errors import DicomError, GeometryError, InputError
from DosePredictLib.io.dose_kinds import NOTICES
from DosePredictLib.io.qa_case import fitting, load_qa_case, share_inside

FULL = np.full((4, 12, 9), 71.0)


def setting(**values):
    return lambda dataset: [setattr(dataset, keyword, value) for keyword, value in values.items()]


def test_the_dose_alone_is_enough(patient):
    path = patient.rtdose(gray=FULL)
    found = load_qa_case([path])
    assert float(found.case.planned.gray.max()) == pytest.approx(71.0, abs=0.01)
    assert found.case.ct is None and len(found.case.structures) == 0 and found.warnings == ()
    assert found.dose_header.FrameOfReferenceUID == patient.frame and "PixelData" not in found.dose_header


def test_what_lies_beside_it_is_used_without_any_prescription(whole_patient):
    (whole_patient.folder / "plan").unlink()
    found = load_qa_case([whole_patient.folder], needs_ct=True)
    assert found.case.ct is not None and found.case.names["External"] == "BODY"
    assert found.rtstruct_header.StructureSetLabel == "SET" and found.warnings == ()


def test_a_named_dose_chooses_its_own_plan(whole_patient):
    whole_patient.plan_uid = "1.2.826.0.1.3680043.9.77"
    whole_patient.rtplan([(1, "", 60.0)], name="second", change=setting(RTPlanLabel="Boost"))
    path = whole_patient.rtdose(gray=FULL / 7, name="boost dose")
    found = load_qa_case([whole_patient.folder], reference=path)
    assert found.plan_label == "Boost" and float(found.case.planned.gray.max()) == pytest.approx(71 / 7, abs=0.01)


def test_ct_and_structures_of_another_frame_of_reference_are_left_out_and_told(whole_patient):
    path = whole_patient.rtdose(gray=FULL, change=setting(FrameOfReferenceUID="1.2.3"))
    found = load_qa_case([whole_patient.folder], reference=path)
    assert found.case.ct is None and len(found.case.structures) == 0 and found.rtstruct_header is None
    assert len(found.warnings) == 2 and all("another frame of reference" in warning for warning in found.warnings)
    with pytest.raises(GeometryError, match="another frame of reference than the CT; give the CT it was planned on"):
        load_qa_case([whole_patient.folder], reference=path, needs_ct=True)


def test_how_much_of_the_irradiated_volume_a_ct_covers_is_told(whole_patient):
    found = load_qa_case([whole_patient.folder])
    grid = found.case.planned.grid
    assert share_inside(grid, found.case.planned) == 1
    assert share_inside(grid.cropped((0, 0, 2), (9, 12, 2)), found.case.planned) == pytest.approx(0.5)
    path = whole_patient.rtdose(gray=FULL, origin=(-16.0, -24.0, 20.0), name="high")
    (warning,) = load_qa_case([whole_patient.folder], reference=path).warnings
    assert "lies outside the CT; the scan is too short" in warning


def test_a_ct_away_from_the_dose_is_left_out_and_where_one_is_needed_refused(whole_patient):
    case = load_qa_case([whole_patient.folder]).case
    away = Volume(case.ct.array, replace(case.ct.grid, origin=(900.0, 0.0, 0.0)))
    assert fitting(away, case.planned, needed=False) == (None, ("The planned dose lies outside the CT, which is left out.",))
    with pytest.raises(GeometryError, match="lies outside the CT; give the CT it was planned on"):
        fitting(away, case.planned, needed=True)


REFUSED = {
    "beam": ({"DoseSummationType": "BEAM"}, "is of type BEAM, not that of one whole plan"),
    "several plans": ({"DoseSummationType": "MULTI_PLAN"}, "MULTI_PLAN"),
    "weighted": ({"DoseType": "EFFECTIVE"}, "EFFECTIVE, and what is measured is PHYSICAL"),
    "relative": ({"DoseUnits": "RELATIVE"}, "RELATIVE, not GY"),
    "centigray": ({"DoseGridScaling": 0.1}, "probably in cGy"),
    "a prediction": ({"SeriesDescription": NOTICES[0]}, "itself a predicted one"),
    "a predicted measurement": ({"SeriesDescription": NOTICES[1]}, "itself a predicted one"),
}


@pytest.mark.parametrize("values, sentence", REFUSED.values(), ids=REFUSED)
def test_a_dose_of_another_kind_is_refused(patient, values, sentence):
    path = patient.rtdose(gray=FULL, scaling=0.001, change=setting(**values))
    with pytest.raises(DicomError, match=sentence):
        load_qa_case([path])


def test_without_a_dose_there_is_no_plan_to_measure(whole_patient):
    (whole_patient.folder / "dose").unlink()
    with pytest.raises(InputError, match="No RTDOSE of the plan was found among 12 DICOM files"):
        load_qa_case([whole_patient.folder])
