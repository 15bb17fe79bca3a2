"""Objectives for the optimiser follow from the predicted histograms and from nothing else."""

from __future__ import annotations

import csv
import io

import numpy as np

from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.goals import Goal, GoalResult
from DosePredictLib.evaluation.metrics import Metric
from DosePredictLib.evaluation.objectives import HEADER, objectives, objectives_csv
from DosePredictLib.evaluation.structure_metrics import StructureRow


def uniform(low: float, high: float) -> Dvh:
    """A structure whose dose is spread evenly between two values."""
    return Dvh(np.array([low, high]), np.array([0.0, 1.0]), 50.0, (low + high) / 2)


TARGET = StructureRow("PTV", "PTV", uniform(60, 80), prescription_gy=70.0)
ORGAN = StructureRow("Parotid_L", "Parotis li", uniform(0, 50))
BODY = StructureRow("External", "BODY", uniform(0, 80))
FAR = StructureRow("Lens_L", "Lens_L", uniform(0, 3))


def test_a_target_keeps_its_prescription_and_its_predicted_near_minimum_and_maximum() -> None:
    found = [(o.type, o.dose_gy, o.volume_percent, o.priority) for o in objectives([TARGET], [])]
    assert np.allclose([o[1:] for o in found], [(70.0, 95, 1), (60.4, 98, 1), (79.6, 2, 1)])
    assert [o[0] for o in found] == ["lower", "lower", "upper"]


def test_an_organ_gets_its_predicted_curve_and_mean_with_the_priority_of_its_first_goal() -> None:
    goals = [GoalResult(Goal("Parotid_L", Metric.parse("Mean[Gy]"), at_most=26, priority=p), "Parotis li", 25.0) for p in (2, 4)]
    found = [(o.dose_gy, o.volume_percent) for o in objectives([TARGET, ORGAN], goals) if o.structure == "Parotis li"]
    assert np.allclose(found[:3], [(25.0, 50), (40.0, 20), (49.0, 2)]) and found[3] == (25.0, None)
    assert {o.priority for o in objectives([TARGET, ORGAN], goals) if o.structure == "Parotis li"} == {2}
    assert {o.priority for o in objectives([TARGET, ORGAN], []) if o.structure == "Parotis li"} == {3}


def test_the_body_and_organs_with_hardly_any_dose_get_none() -> None:
    assert {o.structure for o in objectives([TARGET, BODY, FAR], [])} == {"PTV"}


def test_a_structure_partly_outside_the_dose_gets_none() -> None:
    cut = StructureRow("Parotid_R", "Parotid_R", Dvh(np.array([0.0, 50.0]), np.array([0.0, 1.0]), 50.0, 25.0, coverage=0.6))
    assert objectives([cut], []) == []


def test_the_table_names_structures_as_the_planning_system_does_and_leaves_the_volume_of_a_mean_empty() -> None:
    header, *rows = csv.reader(io.StringIO(objectives_csv(objectives([TARGET, ORGAN], []))))
    assert tuple(header) == HEADER
    assert rows[0] == ["PTV", "lower", "70.00", "95", "1"] and rows[-1] == ["Parotis li", "mean", "25.00", "", "3"]
