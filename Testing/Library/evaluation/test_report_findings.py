"""What of a report deserves attention: checks, flags, and the organ that is shown."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Case, DoseGrid, Grid, Prescription, StructureSet, Target, Volume
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.goals import Goal, GoalResult
from DosePredictLib.evaluation.metrics import Metric
from DosePredictLib.evaluation.report_findings import Place, checks, flags, organ_to_look_at, point_of
from DosePredictLib.evaluation.structure_metrics import StructureRow

GRID = Grid((6, 6, 6), (2.0, 2.0, 2.0), (-5.0, -5.0, -5.0))


def uniform(low: float, high: float, coverage: float = 1.0) -> Dvh:
    """A structure whose dose is spread evenly between two values."""
    return Dvh(np.array([low, high]), np.array([0.0, 1.0]), 50.0, (low + high) / 2, coverage)


def case_of() -> Case:
    nothing = Volume(np.zeros(GRID.shape, np.float32), GRID)
    return Case(nothing, StructureSet(), Prescription((Target("PTV", 70.0),)), {"Larynx": "Larynx", "Parotid_L": "Parotis"})


def dose(maximum: float) -> DoseGrid:
    gray = np.zeros(GRID.shape, np.float32)
    gray[1, 2, 3] = maximum
    return DoseGrid(gray, GRID)


def rows(larynx: Dvh, planned: Dvh | None = None) -> list[StructureRow]:
    return [
        StructureRow("PTV", "PTV", uniform(69, 73), prescription_gy=70.0),
        StructureRow("Larynx", "Larynx", larynx, planned),
        StructureRow("Parotid_L", "Parotis", uniform(10, 30), uniform(10, 30) if planned else None),
    ]


def test_a_dose_as_plans_have_it_passes_all_checks() -> None:
    assert all(check.passed for check in checks(case_of(), dose(74), rows(uniform(20, 40))))


@pytest.mark.parametrize(
    ("maximum", "target", "larynx", "said"),
    [
        (90, uniform(69, 73), uniform(20, 40), "129 %"),
        (60, uniform(69, 73), uniform(20, 40), "86 %"),
        (74, uniform(60, 73), uniform(20, 40), "not normalised"),
        (74, uniform(69, 73), uniform(20, 40, 0.7), "Larynx"),
        (74, uniform(69, 73, 0.7), uniform(20, 40), "coverage unknown"),
    ],
)
def test_each_thing_that_plans_do_not_have_fails_its_check_in_words(maximum, target, larynx, said) -> None:
    found = [StructureRow("PTV", "PTV", target, prescription_gy=70.0), *rows(larynx)[1:]]
    failed = [check.text for check in checks(case_of(), dose(maximum), found) if not check.passed]
    assert any(said in text for text in failed)


def test_a_flag_is_a_difference_of_two_gray_or_three_percent_once_for_each_metric_the_largest_first() -> None:
    metrics = {"D0.03cc[Gy]": (44.0, 40.0), "V30Gy[%]": (60.0, 50.0), "V20Gy[%]": (99.0, 98.0)}
    goals = [GoalResult(Goal("Larynx", Metric.parse(m), at_most=1), "Larynx", *values) for m, values in metrics.items()]
    found = flags(rows(uniform(24, 44), uniform(20, 40)), goals)
    assert [(flag.metric, flag.unit) for flag in found] == [("V30Gy", "%"), ("Mean", "Gy"), ("D0.03cc", "Gy")]
    assert [flag.difference for flag in found] == pytest.approx([10, 4, 4], abs=0.01)


def test_the_organ_shown_is_the_one_that_misses_its_goal_most() -> None:
    missed = [
        GoalResult(Goal("Parotid_L", Metric.parse("Mean[Gy]"), at_most=10), "Parotis", 20.0),
        GoalResult(Goal("Larynx", Metric.parse("D0.03cc[Gy]"), at_most=40), "Larynx", 44.0),
    ]
    assert organ_to_look_at(case_of(), rows(uniform(24, 44)), missed, ()) == Place(
        "Parotis", "Mean 20.0 Gy misses its goal (≤ 10 Gy) most", hottest=False
    )
    place = organ_to_look_at(case_of(), rows(uniform(24, 44)), missed[1:], ())
    assert place is not None and (place.roi, place.hottest) == ("Larynx", True)


def test_without_missed_goals_it_is_the_one_that_differs_most_else_the_hottest() -> None:
    differing = rows(uniform(24, 44), uniform(20, 40))
    place = organ_to_look_at(case_of(), differing, (), flags(differing, ()))
    assert place is not None and place.roi == "Larynx" and "differs most" in place.reason
    alone = organ_to_look_at(case_of(), rows(uniform(5, 9)), (), ())
    assert alone is not None and alone.roi == "Parotis" and "highest mean dose" in alone.reason
    assert organ_to_look_at(case_of(), rows(uniform(5, 9))[:1], (), ()) is None


def test_the_pictures_go_through_the_centre_of_an_organ_or_its_hottest_voxel() -> None:
    occupancy = np.zeros(GRID.shape, np.float32)
    occupancy[1, 2, 1:4] = 1
    volumes = {"Larynx": Volume(occupancy, GRID)}
    assert point_of(Place("Larynx", ""), volumes, dose(50)) == pytest.approx([-1, -1, -3])
    assert point_of(Place("Larynx", "", hottest=True), volumes, dose(50)) == pytest.approx([1, -1, -3])
