"""Descriptors against shapes known by hand, and what is said of cases inside and outside a known distribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from DosePredictLib.core import Case, Grid, InputError, Prescription, Structure, StructureSet, Target, Volume
from DosePredictLib.inference import descriptors as d
from DosePredictLib.inference.descriptors import descriptors, occupancies_of
from DosePredictLib.inference.domain import LIMITS, QUANTILES, check_domain, distribution

GRID = Grid((60, 50, 40), (4.0, 4.0, 5.0), (0.0, 0.0, 0.0))


def block(i: tuple[int, int], j: tuple[int, int], k: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(GRID.shape, np.float32)
    mask[slice(*k), slice(*j), slice(*i)] = 1
    return mask


def box_case(*, flipped: bool = False) -> Case:
    """A body of water with a metal rod and an air cavity, two targets and an organ, all boxes."""
    grid = replace(GRID, direction=(1, 0, 0, 0, -1, 0, 0, 0, -1)) if flipped else GRID
    body = block((10, 50), (10, 40), (2, 38))
    hu = np.where(body > 0, 40.0, -1000.0)
    hu[block((20, 22), (30, 32), (10, 16)) > 0] = 3000
    hu[block((40, 44), (15, 25), (10, 20)) > 0] = -900
    shapes = {
        "p70": block((25, 35), (20, 25), (10, 20)),
        "p56": block((25, 40), (20, 25), (10, 22)),
        "parotid": block((30, 34), (22, 28), (12, 18)),
        "skin": body,
    }
    rois = [Structure(name, number=n, occupancy=Volume(mask, grid)) for n, (name, mask) in enumerate(shapes.items())]
    prescription = Prescription((Target("p70", 70.0), Target("p56", 56.0)))
    return Case(Volume(hu, grid), StructureSet(tuple(rois)), prescription, {"Parotid_L": "parotid", "External": "skin"})


def described(case: Case) -> dict[str, float]:
    return descriptors(case, ["Parotid_L", "Larynx"], occupancies_of(case, ["Parotid_L", "Larynx"]))


def test_descriptors_are_those_of_the_boxes() -> None:
    found, voxel = described(box_case()), 4 * 4 * 5 / 1000
    expected = {
        d.PRESCRIPTION: 70, d.LEVELS: 2, d.LOWEST_SHARE: 0.8, d.ORGANS: 1, d.HIGH_VOLUME: 10 * 5 * 10 * voxel,
        d.ALL_VOLUME: 15 * 5 * 12 * voxel, d.LENGTH: 60, d.OVERLAP: 50, d.TARGET_HU: 40, d.SPACING: 5,
        d.SECTION: 40 * 30 * 0.16, d.METAL: 2 * 2 * 6 * voxel, d.CUT: 0, d.AIR: 100 * 4 * 10 * 10 / (40 * 30 * 12),
        d.BELOW: 40, d.ABOVE: 80,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found[d.BODY_HU] == pytest.approx(40 - 940 * 400 / 14400 + 2960 * 24 / 14400)
    assert set(found) == set(LIMITS)


def test_above_is_towards_the_head_however_the_slices_are_stacked() -> None:
    found = described(box_case(flipped=True))
    assert (found[d.BELOW], found[d.ABOVE]) == (80, 40)


def test_without_a_contour_the_body_is_found_on_the_ct() -> None:
    case = box_case()
    bare = replace(case, names={"Parotid_L": "parotid"})
    assert described(bare)[d.SECTION] == pytest.approx(described(case)[d.SECTION], rel=0.05)


def test_a_body_that_the_scan_cuts_off_is_seen() -> None:
    case = box_case()
    wide = Structure("skin", number=9, occupancy=Volume(block((10, 60), (10, 40), (2, 16)), GRID))
    cut = replace(case, structures=StructureSet((*[s for s in case.structures if s.name != "skin"], wide)))
    assert described(cut)[d.CUT] == pytest.approx(50)


def test_targets_that_fill_no_voxel_are_refused() -> None:
    case = box_case()
    nothing = StructureSet(tuple(s for s in case.structures if not s.name.startswith("p5") and s.name != "p70"))
    with pytest.raises(InputError, match="No target fills a voxel"):
        described(replace(case, structures=nothing))


def card_around(case: Case, **changed: list[float]) -> dict:
    """101 training cases, every descriptor 0.5 to 1.5 times that of ``case``."""
    own = described(case)
    spread = [{name: value * (0.5 + n / 100) for name, value in own.items()} for n in range(101)]
    domain = distribution(spread) | {getattr(d, name): values for name, values in changed.items()}
    return {"domain": domain, "organs": ["Parotid_L", "Larynx"], "training": {"cases": 101}}


def test_a_case_in_the_middle_is_green_and_its_least_usual_descriptors_are_named_all_the_same() -> None:
    domain = check_domain(box_case(), card_around(box_case(), LENGTH=[10, 11, 12, 20, 30, 40, 50, 59, 65]))
    assert (domain.verdict, domain.colour, domain.reasons) == ("inside", "green", ())
    assert domain.notable[0] == "length of the targets 60 mm, more than in 99 % of the 101 training patients (10 to 65 mm)"
    assert len(domain.notable) == 3


def test_a_case_beyond_all_training_cases_is_amber_and_far_beyond_red() -> None:
    quantiles = [40.0, 41, 42, 43, 44, 45, 46, 47, 48]
    near = check_domain(box_case(), card_around(box_case(), HIGH_VOLUME=[v - 9 for v in quantiles]))
    assert (near.verdict, near.colour) == ("unusual", "amber")
    assert near.reasons == (
        "volume of the target of highest dose 40 cc, more than in any of the 101 training patients (31 to 39 cc)",
    )
    card = card_around(box_case(), HIGH_VOLUME=[v - 9 for v in quantiles])
    fewer = check_domain(box_case(), {**card, "training": {"cases": 101, "without_ct": 27}})
    assert "of the 74 training patients" in fewer.reasons[0]  # a patient without CT has no descriptors
    far = check_domain(box_case(), card_around(box_case(), HIGH_VOLUME=[v - 30 for v in quantiles], METAL=[0.0] * 9))
    assert (far.verdict, far.colour) == ("outside", "red")
    assert "volume of the target" in far.reasons[0] and "metal" in far.reasons[1]


def test_only_the_end_that_matters_counts() -> None:
    fine = check_domain(box_case(), card_around(box_case(), SPACING=[8.0] * 9, ABOVE=[5.0] * 9, METAL=[9.0] * 9))
    assert fine.verdict == "inside"
    thick = check_domain(box_case(), card_around(box_case(), SPACING=[2.0] * 9))
    assert thick.verdict == "outside"


def test_another_prescription_within_15_percent_is_like_that_of_training() -> None:
    assert check_domain(box_case(), card_around(box_case(), PRESCRIPTION=[62.0] * 9)).verdict == "inside"
    assert check_domain(box_case(), card_around(box_case(), PRESCRIPTION=[60.0] * 9)).verdict == "outside"


def test_a_value_that_many_training_cases_share_is_not_unusual() -> None:
    card = {"domain": {d.LEVELS: [1, 1, 2, 2, 2, 2, 3, 3, 3]}, "organs": ["Parotid_L"]}
    finding = check_domain(box_case(), card).findings[0]
    assert finding.rarity == 75 and "as in many" in finding.words


def test_old_cards_with_lowest_and_highest_only_are_read() -> None:
    card = {"domain": {d.LENGTH: [70.0, 302.5], d.TARGET_HU: [20.0, 60.0], "forgotten (mm)": [1.0, 2.0]}}
    domain = check_domain(box_case(), card)
    assert domain.verdict == "unusual"
    assert domain.reasons == ("length of the targets 60 mm, less than in any of the training patients (70 to 302 mm)",)
    assert "as in many" in domain.notable[1]


def test_a_card_without_a_distribution_says_nothing() -> None:
    domain = check_domain(box_case(), {})
    assert (domain.verdict, domain.colour, domain.notable) == ("unknown", "grey", ())


def test_quantiles_of_training_cases_are_kept_from_lowest_to_highest() -> None:
    kept = distribution([{"a": float(n)} for n in range(1001)])["a"]
    assert kept == [10 * q for q in QUANTILES]
