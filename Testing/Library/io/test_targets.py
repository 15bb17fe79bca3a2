"""Prescriptions: from the user, the plan and the names, in this order, and never out of thin air."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core.errors import InputError
from DosePredictLib.core.structures import Structure, StructureSet
from DosePredictLib.io.rtplan import Plan, PlannedDose
from DosePredictLib.io.targets import dose_in_name, find_prescription, is_target_name

CONTOUR = (np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0)], dtype=float),)


def rois(*names, empty=()):
    return StructureSet(tuple(Structure(n, () if n in empty else CONTOUR, k) for k, n in enumerate(names, start=1)))


def plan(*prescriptions):
    return Plan("plan", "1.2", tuple(PlannedDose(*p) for p in prescriptions))


def doses(found):
    return {target.roi: target.dose_gy for target in found.prescription.targets}


@pytest.mark.parametrize(
    ("roi", "dose"),
    [
        ("PTV70", 70), ("PTV_7000", 70), ("PTV 66 Gy", 66), ("PTV 59.4", 59.4), ("PTV59,4", 59.4), ("PTV_50p4", 50.4),
        ("PTV1", None), ("PTV_5040", 50.4), ("PTV 5940 cGy", 59.4), ("PTV1_70", 70), ("PTVp_70Gy", 70), ("PTV_70Gy_35fx", 70),
        ("PTV_Liver_20x3", 60),
        ("PTV_2000x3", 60), ("PTV_200x35", 70), ("PTVn-54", 54), ("ptv 6996", 69.96),
        ("PTV_High", None), ("PTV", None), ("PTV 2", None), ("PTV70_56", None), ("PTV_594", None), ("PTV 3mm", None),
    ],
)  # fmt: skip
def test_the_dose_in_a_name(roi, dose):
    assert dose_in_name(roi) == (None if dose is None else pytest.approx(dose))


@pytest.mark.parametrize(
    "roi", ["PTV", "PTV70", "ptv_56", "PTVp_70Gy", "PTV_High", "PTV-High", "PTV 54 nodes", "PTVn", "PTV-54", "PTV_N_L"]
)
def test_plain_ptvs_are_targets(roi):
    assert is_target_name(roi)


@pytest.mark.parametrize(
    "roi",
    ["CTV70", "GTV", "zPTV70", "optPTV", "PTV_EVAL", "PTVeval70", "PTV70-PRV", "PTV56-PTV70", "PTV70opt", "PTV_ring",
     "PTV70-Parotid", "Ring PTV70", "PTV!", "PTV^Opt", "PTV70+5mm", "dPTV", "PTV70 minus cord", "PTV_cropped", "ITV",
     "PTV56 excl PTV70"],
)  # fmt: skip
def test_other_volumes_and_helpers_are_not(roi):
    assert not is_target_name(roi)


def test_names_alone_give_all_levels_in_order():
    found = find_prescription(rois("PTV56", "CTV70", "PTV_7000", "PTV 63Gy", "PTV70_EVAL"))
    assert doses(found) == {"PTV_7000": 70, "PTV 63Gy": 63, "PTV56": 56}
    assert {t.source for t in found.prescription.targets} == {"ROI name"}


def test_the_plan_goes_before_the_names_and_a_mismatch_is_told():
    found = find_prescription(rois("PTV70", "PTV56"), plan((66.0, 1), (54.0, 2)))
    assert doses(found) == {"PTV70": 66, "PTV56": 54}
    assert "The plan prescribes 66 Gy to PTV70, its name says 70 Gy; the plan is followed." in found.warnings


def test_the_only_dose_of_a_site_belongs_to_the_only_target():
    found = find_prescription(rois("PTV", "CTV"), plan((46.0, None, "PROS")))
    assert doses(found) == {"PTV": 46} and found.prescription.targets[0].source == "RTPLAN"


def test_the_only_dose_of_a_site_is_not_given_to_several_targets():
    with pytest.raises(InputError, match="No prescription was found for PTV_A, PTV_B"):
        find_prescription(rois("PTV_A", "PTV_B"), plan((46.0, None, "PROS")))


def test_a_site_whose_dose_differs_from_the_names_is_told():
    found = find_prescription(rois("PTV70", "PTV56"), plan((50.0, None, "neck")))
    assert doses(found) == {"PTV70": 70, "PTV56": 56}
    assert any("highest prescription is 70 Gy, the plan's 50 Gy" in w for w in found.warnings)


def test_a_volume_the_plan_prescribes_to_is_the_target_where_no_ptv_is_named():
    found = find_prescription(rois("CTV_boost", "BODY"), plan((16.0, 1)))
    assert doses(found) == {"CTV_boost": 16}
    assert any("not named as a PTV" in w for w in found.warnings)


def test_the_user_goes_before_all_and_what_is_left_out_is_told():
    found = find_prescription(rois("PTV70", "PTV56", "Boost"), plan((70.0, 1)), {"Boost": 66.0})
    assert doses(found) == {"Boost": 66}
    assert "PTV70, PTV56 was not given a prescription and is left out." in found.warnings


def test_an_empty_ptv_among_others_is_left_out_and_told():
    found = find_prescription(rois("PTV70", "PTV56", empty=("PTV56",)))
    assert doses(found) == {"PTV70": 70} and "PTV56 is empty and is left out." in found.warnings


@pytest.mark.parametrize(
    ("structures", "wished", "words"),
    [
        (rois("BODY", "Heart"), None, "No target was recognised among the ROIs BODY, Heart"),
        (rois("CTV70", "PTV_EVAL70"), None, "No target was recognised"),
        (rois("PTV70", empty=("PTV70",)), None, "The target PTV70 has no contours"),
        (rois("PTV_High"), None, "No prescription was found for PTV_High"),
        (rois("PTV70"), {"PTV7": 70.0}, "no ROI 'PTV7' to prescribe to; it has PTV70"),
        (rois("PTV70", empty=("PTV70",)), {"PTV70": 70.0}, "The target PTV70 has no contours"),
        (rois("PTV70"), {"PTV70": 7.0}, "is 7 Gy, outside 10-100 Gy"),
        (rois("PTV70"), {"PTV70": 7000.0}, "is 7000 Gy, outside 10-100 Gy"),
        (rois("PTV70"), {"PTV70": float("nan")}, "outside 10-100 Gy"),
        (rois("PTV_High", "PTV_Low"), {"PTV_High": 56.0, "PTV_Low": 70.0}, "out of order: PTV_Low 70 Gy, PTV_High 56 Gy"),
        (rois("PTV70", "PTV56"), {"PTV70": 56.0, "PTV56": 70.0}, "out of order"),
    ],
)
def test_what_cannot_be_prescribed_is_refused_with_the_reason(structures, wished, words):
    with pytest.raises(InputError, match=words):
        find_prescription(structures, None, wished)


def test_a_plan_in_centigray_is_refused():
    with pytest.raises(InputError, match="7000 Gy, outside"):
        find_prescription(rois("PTV"), plan((7000.0, 1)))
