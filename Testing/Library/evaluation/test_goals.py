"""Goal files that are right and wrong, and goals that are met and missed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import Case, Grid, InputError, Prescription, Structure, StructureSet, Target, Volume
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.goals import evaluate_goals, read_goals
from DosePredictLib.resources import resource


def uniform(low: float, high: float) -> Dvh:
    return Dvh(np.array([low, high]), np.array([0.0, 1.0]), volume_cc=10.0, covered_mean_gy=(low + high) / 2)


@pytest.fixture
def case() -> Case:
    grid = Grid((2, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    rois = StructureSet(tuple(Structure(name, number=n) for n, name in enumerate(("p70", "p56", "Parotis links"))))
    prescription = Prescription((Target("p70", 70.0), Target("p56", 56.0)))
    return Case(Volume(np.zeros((2, 2, 2)), grid), rois, prescription, {"Parotid_L": "Parotis links"})


def written(folder: Path, *rows: dict) -> Path:
    path = folder / "goals.json"
    path.write_text(json.dumps({"goals": rows}), encoding="utf-8")
    return path


def test_every_shipped_template_can_be_read_and_names_its_sources() -> None:
    for path in resource("ClinicalGoals").glob("*.json"):
        goals = read_goals(path)
        assert goals
        assert all(goal.source for goal in goals), path.name


def test_goals_are_matched_by_name_and_targets_measured_against_their_own_prescription(case: Case, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"structure": "Parotid_L", "metric": "Mean[Gy]", "at_most": 26, "priority": 2, "source": "s"},
        {"structure": "Target", "metric": "D95%[%]", "at_least": 95, "priority": 1},
        {"structure": "Larynx", "metric": "Mean[Gy]", "at_most": 44},
    )
    predicted = {"p70": uniform(68, 72), "p56": uniform(50, 60), "Parotis links": uniform(0, 60)}
    results = evaluate_goals(read_goals(path), case, predicted, {"Parotis links": uniform(0, 50)})
    assert [(r.roi, r.is_met) for r in results] == [("p70", True), ("p56", False), ("Parotis links", False)]
    assert results[1].predicted == pytest.approx(100 * 50.5 / 56)
    assert results[2].margin == pytest.approx(-4)
    assert (results[2].planned, results[2].is_met_by_plan) == (pytest.approx(25), True)
    assert results[0].planned is None


def test_a_refused_value_neither_meets_nor_misses_a_goal(case: Case, tmp_path: Path) -> None:
    path = written(tmp_path, {"structure": "Parotid_L", "metric": "Mean[Gy]", "at_most": 26})
    partly = Dvh(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 10.0, 0.5, coverage=0.5)
    assert evaluate_goals(read_goals(path), case, {"Parotis links": partly})[0].is_met is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"structure": "Parotid_L", "metric": "Man[Gy]", "at_most": 26}, r"Row 2 .*Parotid_L.*'Man\[Gy\]' is not known"),
        ({"structure": "Parotid_L", "metric": "Mean[Gy]"}, "Row 2 .*either 'at_most' or 'at_least'"),
        ({"structure": "Parotid_L", "metric": "Mean[Gy]", "at_most": 26, "at_least": 3}, "Row 2 .*either"),
        ({"structure": "Parotid_L", "metrik": "Mean[Gy]", "at_most": 26}, "Row 2 .*must have structure, metric"),
        ({"structure": "Parotid_L", "metric": "Mean[Gy]", "at_most": "26 Gy"}, "Row 2 .*number"),
        ("Parotid_L", "Row 2"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict, message: str) -> None:
    path = written(tmp_path, {"structure": "Larynx", "metric": "Mean[Gy]", "at_most": 44}, row)
    with pytest.raises(InputError, match=message):
        read_goals(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"goals": 3}', "not json"])
def test_a_file_that_is_no_list_of_goals_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "goals.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"goals\.json cannot be read"):
        read_goals(path)
