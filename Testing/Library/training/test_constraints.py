"""Clinical goals as a loss: the values of the exact metrics, the paper's penalties, and gradients that mend what is missed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError, Recipe
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.goals import Goal
from DosePredictLib.evaluation.metrics import Metric
from DosePredictLib.training.constraints import (
    Constraint,
    ConstraintSettings,
    missed_by,
    penalty,
    read_constraints,
    soft_metric,
)

RECIPE = Recipe(model="addiff_dose")
SHARP = ConstraintSettings(weight=1.0, softness_gy=0.01)
UNIFORM = torch.linspace(10, 20, 8001)  # in 8 cc
METRICS = [
    "D95%[Gy]", "D2%[Gy]", "D0.8cc[Gy]", "D95%[%]", "V12.5Gy[%]", "V12.5Gy[cc]", "V90%[%]", "V90%[cc]", "Mean[Gy]", "Mean[%]",
    "Median[Gy]", "Min[Gy]", "Max[Gy]", "Coverage[%]", "gEUD(40)[Gy]", "gEUD(2)[%]",
]  # fmt: skip


def soft(text: str, gray: torch.Tensor, softness_gy: float = 0.01) -> torch.Tensor:
    metric = Metric.parse(text)
    return soft_metric(metric, gray, prescribed_gy=20.0, voxel_cc=8 / len(gray), softness_gy=softness_gy)


@pytest.mark.parametrize("text", METRICS)
def test_a_soft_metric_is_the_exact_one(text: str) -> None:
    """The histogram of a uniform dose from 10 to 20 Gy in 8 cc is a straight line."""
    knots = np.linspace(10, 20, 400)
    exact = Dvh(knots, (knots - 10) / 10, volume_cc=8.0, covered_mean_gy=15.0)
    value = Metric.parse(text).of(exact, prescription_gy=20.0)
    assert float(soft(text, UNIFORM)) == pytest.approx(value, rel=2e-3, abs=0.1)


def test_the_softened_volume_is_wrong_by_no_more_than_its_softness() -> None:
    """Of a single level, a sigmoid of one softness away: 73 % instead of all."""
    assert float(soft("V19Gy[%]", torch.full((50,), 20.0), softness_gy=1.0)) == pytest.approx(100 / (1 + np.exp(-1)))


@pytest.mark.parametrize("text", METRICS)
def test_every_metric_rises_with_the_dose(text: str) -> None:
    gray = torch.linspace(10, 20, 500).requires_grad_()
    soft(text, gray, softness_gy=1.0).backward()
    assert (gray.grad >= 0).all()
    assert gray.grad.sum() > 0


@pytest.mark.parametrize(
    ("text", "limits", "gray", "miss"),
    [
        ("D0.03cc[Gy]", {"at_most": 45.0}, [20.0, 30.0, 54.0], 54 / 45 - 1),
        ("V20Gy[%]", {"at_most": 30.0}, [10.0, 10.0, 30.0, 30.0], 0.5 - 0.3),
        ("D95%[%]", {"at_least": 95.0}, [60.0] * 20, 1 - 60 / (0.95 * 70)),
    ],
)
def test_misses_are_those_of_the_paper(text: str, limits: dict[str, float], gray: list[float], miss: float) -> None:
    found = missed_by(Goal("Organ", Metric.parse(text), **limits), torch.tensor(gray), 70.0, 0.04, 0.01)
    assert float(found) == pytest.approx(miss, rel=1e-5)


def judged(gray: torch.Tensor, planned: torch.Tensor, *goals: Goal, **changes: object) -> torch.Tensor:
    """Doses (1, 1, n): half of the voxels are target at 63 of 70 Gy, the other half an organ."""
    half = gray.shape[-1] // 2
    given = torch.full((12, *gray.shape), -1.0)
    given[1, ..., :half] = 0.9
    given[3, ..., :half] = given[5, ..., half:] = 1.0
    constraints = [Constraint(goal, 3 if goal.structure == "Target" else 5) for goal in goals]
    settings = ConstraintSettings(**{"weight": 1.0, "softness_gy": 0.01, **changes})
    return penalty(gray, planned, given, torch.ones_like(gray), constraints, highest_gy=70.0, voxel_cc=0.04, settings=settings)


COVERED = Goal("Target", Metric.parse("D95%[%]"), at_least=95.0, priority=1)
SPARED = Goal("Organ", Metric.parse("Mean[Gy]"), at_most=25.0, priority=2)


def doses(target: float, organ: float) -> torch.Tensor:
    return torch.cat([torch.full((1, 1, 20), target), torch.full((1, 1, 20), organ)], dim=-1)


def test_a_miss_counts_squared_by_its_priority_at_the_targets_own_prescription() -> None:
    found = judged(doses(0.95 * 63 * 0.9, 30.0), doses(63.0, 20.0), COVERED, SPARED)
    assert float(found) == pytest.approx(0.1**2 + 0.2**2 / 2, rel=1e-4)


def test_an_organ_is_judged_at_the_highest_prescription() -> None:
    goal = Goal("Organ", Metric.parse("Mean[%]"), at_most=50.0, priority=1)
    assert float(judged(doses(63.0, 42.0), doses(63.0, 20.0), goal)) == pytest.approx((60 / 50 - 1) ** 2, rel=1e-4)


def test_what_is_met_costs_nothing() -> None:
    assert float(judged(doses(63.0, 24.9), doses(63.0, 20.0), COVERED, SPARED)) == 0


def test_a_goal_that_the_plan_misses_asks_nothing_unless_it_is_to() -> None:
    missed = doses(63.0, 30.0)
    assert float(judged(missed, missed, SPARED)) == 0
    assert float(judged(missed, missed, SPARED, only_where_met=False)) == pytest.approx(0.04 / 2)


def test_a_structure_that_is_not_there_asks_nothing() -> None:
    gray = doses(10.0, 60.0)
    settings, nowhere = ConstraintSettings(weight=1.0), torch.full((12, *gray.shape), -1.0)
    constraints = [Constraint(SPARED, 5)]
    found = penalty(gray, gray, nowhere, torch.ones_like(gray), constraints, highest_gy=70.0, voxel_cc=0.04, settings=settings)
    assert float(found) == 0


def test_descending_the_penalty_mends_coverage_and_sparing() -> None:
    gray, planned = doses(55.0, 40.0).requires_grad_(), doses(63.0, 20.0)
    optimizer = torch.optim.Adam([gray], lr=1.0)
    before = float(judged(gray, planned, COVERED, SPARED).detach())
    for _ in range(60):
        optimizer.zero_grad()
        judged(gray, planned, COVERED, SPARED).backward()
        optimizer.step()
    assert float(judged(gray, planned, COVERED, SPARED).detach()) < 0.01 * before
    assert gray[..., :20].mean() > 58 and gray[..., 20:].mean() < 26


@pytest.mark.parametrize("name", ["head_and_neck", "addiff_dose_example"])
def test_shipped_tables_apply_to_the_structures_the_network_sees(name: str) -> None:
    found = read_constraints(ConstraintSettings(goals=name), RECIPE)
    seen = {RECIPE.channels[one.channel] for one in found}
    assert {"SDM:SpinalCord", "SDM:Brainstem", "SDM:PTV_High", "SDM:PTV_Mid", "SDM:PTV_Low"} <= seen
    assert all(one.goal.structure in ("Target", RECIPE.channels[one.channel][4:]) for one in found)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Liver,Mean[Gy],<= 30", "none of the structures"),
        ("Target,CI(Paddick),>= 0.8", r"CI\(Paddick\) cannot be part of a loss"),
    ],
)
def test_goals_that_cannot_be_learned_by_are_refused(tmp_path, row: str, words: str) -> None:
    table = tmp_path / "own.csv"
    table.write_text(f"structure,metric,limit\n{row}\n")
    with pytest.raises(InputError, match=words):
        read_constraints(ConstraintSettings(goals=str(table)), RECIPE)


def test_a_table_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="thorax"):
        read_constraints(ConstraintSettings(goals="thorax"), RECIPE)
