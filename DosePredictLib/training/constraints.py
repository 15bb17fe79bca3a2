"""Clinical goals as a loss (ADDiff-Dose, section 2.3): how far a dose misses each, in a form that has a gradient.

Metrics are those of ``evaluation.metrics``. Sorting has a gradient as it stands; only the step of V_x does not, and is softened:
V_x = mean sigmoid((D - x) / softness).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core import TARGET_SLOTS, InputError, Recipe
from ..evaluation.goals import EACH_TARGET, Goal, read_goals, templates
from ..evaluation.metrics import Metric


@dataclass(frozen=True)
class ConstraintSettings:
    """weight: of the constraints in the loss, beside 1 for the noise; 0, none. goals: the name of a table in
    Resources/ClinicalGoals, or the path of another. softness_gy: of the step in V_x. below: a dose is judged only while its time
    step is less. only_where_met: a goal that the plan itself misses asks nothing. after: steps of the run without them, in which
    doses are still too rough to be judged.
    """

    weight: float = 0.0
    goals: str = "head_and_neck"
    softness_gy: float = 1.0
    below: int = 200
    only_where_met: bool = True
    after: int = 0


@dataclass(frozen=True)
class Constraint:
    """A goal, and the channel of the distance map that shows where it applies."""

    goal: Goal
    channel: int


def read_constraints(settings: ConstraintSettings, recipe: Recipe) -> list[Constraint]:
    """The goals of those structures the network is shown. Raises InputError for a file, or a metric, that cannot be used."""
    goals = read_goals(templates().get(settings.goals, Path(settings.goals)))
    channels = {name: number for number, name in enumerate(recipe.channels)}
    found = []
    for goal in goals:
        names = TARGET_SLOTS if goal.structure == EACH_TARGET else (goal.structure,)
        found += [Constraint(goal, channels[f"SDM:{name}"]) for name in names if f"SDM:{name}" in channels]
    for constraint in found:
        _require_gradient(constraint.goal.metric)
    if not found:
        raise InputError(f"The clinical goals {settings.goals} are for none of the structures that the network is shown.")
    return found


def penalty(
    gray: Tensor, planned: Tensor, given: Tensor, counts: Tensor, constraints: Sequence[Constraint], *,
    highest_gy: float, voxel_cc: float, settings: ConstraintSettings,
) -> Tensor:  # fmt: skip
    """Sum of the squared misses, the more urgent goals counting more (1 / priority).

    gray, planned, counts: (k, j, i), predicted and planned dose in Gy, and where there is dose. given: (channels, k, j, i).
    """
    total = gray.new_zeros(())
    for constraint in constraints:
        inside = (given[constraint.channel] > 0) & (counts > 0.5)
        if not inside.any():
            continue
        share = float(given[1][inside].max()) if constraint.goal.structure == EACH_TARGET else 1.0
        miss, planned_miss = (
            missed_by(constraint.goal, dose[inside], share * highest_gy, voxel_cc, settings.softness_gy)
            for dose in (gray, planned)
        )
        if settings.only_where_met and planned_miss > 0:
            continue
        total = total + miss.clamp(min=0).square() / constraint.goal.priority
    return total


def missed_by(goal: Goal, gray: Tensor, prescribed_gy: float, voxel_cc: float, softness_gy: float) -> Tensor:
    """How far the doses (n,) of a structure's voxels are beyond the limit, as a share of it, or of the structure for a volume."""
    value = soft_metric(goal.metric, gray, prescribed_gy=prescribed_gy, voxel_cc=voxel_cc, softness_gy=softness_gy)
    beyond = value - goal.at_most if goal.at_most is not None else (goal.at_least or 0.0) - value
    return beyond / scale_of(goal)


def scale_of(goal: Goal) -> float:
    """What a miss is counted in: the limit, or the whole structure (100 %) for a volume."""
    is_share = goal.metric.kind in ("volume", "coverage") and goal.metric.unit == "%"
    return 100.0 if is_share else max(goal.at_most or goal.at_least or 0.0, 1.0)


def soft_metric(metric: Metric, gray: Tensor, *, prescribed_gy: float, voxel_cc: float, softness_gy: float) -> Tensor:
    """The value of ``metric``, in its unit, for the doses (n,) of a structure's voxels."""
    if metric.kind in ("volume", "coverage"):
        level = metric.number if metric.at == "Gy" else metric.number / 100 * prescribed_gy
        level = prescribed_gy if metric.kind == "coverage" else level
        share = torch.sigmoid((gray - level) / softness_gy).mean()
        return 100 * share if metric.unit == "%" else share * len(gray) * voxel_cc
    value = _gray(metric, gray, voxel_cc)
    return value if metric.unit == "Gy" else 100 * value / prescribed_gy


def _gray(metric: Metric, gray: Tensor, voxel_cc: float) -> Tensor:
    if metric.kind == "dose":
        return _least_of_hottest(gray, metric.number / 100 * len(gray) if metric.at == "%" else metric.number / voxel_cc)
    if metric.kind == "uniform":
        logarithms = metric.number * gray.clamp(min=1e-3).log()  # as powers of 40 and more would overflow
        return ((logarithms.logsumexp(0) - math.log(len(gray))) / metric.number).exp()
    return STATISTICS[metric.at](gray)


def _least_of_hottest(gray: Tensor, voxels: float) -> Tensor:
    """Part of a voxel counts as a whole one: less than one voxel receives the maximum."""
    rank = min(max(math.ceil(voxels - 1e-6), 1), len(gray))
    return gray.sort(descending=True).values[rank - 1]


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "Mean": torch.mean,
    "Median": lambda gray: _least_of_hottest(gray, len(gray) / 2),
    "Max": torch.amax,
    "Min": torch.amin,
}


def _require_gradient(metric: Metric) -> None:
    if metric.kind in ("homogeneity", "conformity"):
        raise InputError(f"The metric {metric.text} cannot be part of a loss; take it out of the goals that a model learns by.")
