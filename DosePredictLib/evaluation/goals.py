"""Clinical goals: a readable file of structure, metric, limit, priority and source, and how a dose meets them.

    {"title": "...", "site": "...", "goals": [
        {"structure": "Parotid_L", "metric": "Mean[Gy]", "at_most": 26, "priority": 2, "source": "..."}, ...]}

A structure is named by its TG-263 name, a target by the ROI's own name, and "Target" stands for each target of the prescription.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import Case, InputError
from .dvh import Dvh
from .metrics import Metric

EACH_TARGET = "Target"
ENTRIES = {"structure", "metric", "at_most", "at_least", "priority", "source"}


@dataclass(frozen=True)
class Goal:
    """One row. Exactly one of ``at_most`` and ``at_least`` is given, in the unit of the metric; priority 1 comes first."""

    structure: str
    metric: Metric
    at_most: float | None = None
    at_least: float | None = None
    priority: int = 2
    source: str = ""

    @property
    def limit(self) -> str:
        sign, value = ("≤", self.at_most) if self.at_most is not None else ("≥", self.at_least)
        return f"{sign} {value:g} {self.metric.unit}".strip()

    def margin(self, value: float) -> float:
        """Distance from the limit in the unit of the metric; negative where the goal is missed."""
        return self.at_most - value if self.at_most is not None else value - (self.at_least or 0.0)


@dataclass(frozen=True)
class GoalResult:
    """A goal for one ROI; values are NaN where the histogram refuses them, ``planned`` None without a reference dose."""

    goal: Goal
    roi: str
    predicted: float
    planned: float | None = None

    @property
    def margin(self) -> float:
        return self.goal.margin(self.predicted)

    @property
    def is_met(self) -> bool | None:
        """None where the prediction has no value."""
        return None if self.predicted != self.predicted else self.margin >= 0

    @property
    def is_met_by_plan(self) -> bool | None:
        """None where there is no planned value."""
        return None if self.planned is None or self.planned != self.planned else self.goal.margin(self.planned) >= 0

    def to_dict(self) -> dict[str, Any]:
        goal = self.goal
        return {
            "structure": goal.structure,
            "roi": self.roi,
            "metric": goal.metric.text,
            "limit": goal.limit,
            "priority": goal.priority,
            "predicted": self.predicted,
            "reference": self.planned,
            "margin": self.margin,
            "met": self.is_met,
            "source": goal.source,
        }


def read_goals(path: Path) -> list[Goal]:
    """Raises InputError, naming the file and the row, for anything but the format above."""
    try:
        rows = list(json.loads(path.read_text(encoding="utf-8"))["goals"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"The clinical goals in {path.name} cannot be read: they must be JSON with a list 'goals'.") from error
    return [_goal(row, f"Row {number} of the clinical goals in {path.name}") for number, row in enumerate(rows, 1)]


def _goal(row: Any, where: str) -> Goal:
    if not isinstance(row, dict) or not {"structure", "metric"} <= set(row) <= ENTRIES:
        raise InputError(f"{where} must have structure, metric and a limit, and nothing but {', '.join(sorted(ENTRIES))}.")
    where += f" ({row['structure']})"
    limits = [row[key] for key in ("at_most", "at_least") if key in row]
    if len(limits) != 1 or not isinstance(limits[0], (int, float)):
        raise InputError(f"{where} needs either 'at_most' or 'at_least', a number in the unit of the metric.")
    try:
        return Goal(**{**row, "metric": Metric.parse(str(row["metric"]))})
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def evaluate_goals(
    goals: Sequence[Goal], case: Case, predicted: Mapping[str, Dvh], planned: Mapping[str, Dvh] | None = None
) -> list[GoalResult]:
    """The goals of the structures this case has, by priority; histograms are by ROI name."""
    prescribed = {target.roi: target.dose_gy for target in case.prescription.targets}
    results = []
    for goal in sorted(goals, key=lambda g: g.priority):
        for roi in _rois(goal.structure, case):
            gray = prescribed.get(roi, case.prescription.highest_gy)
            if roi in predicted:
                reference = goal.metric.of(planned[roi], prescription_gy=gray) if planned and roi in planned else None
                results.append(GoalResult(goal, roi, goal.metric.of(predicted[roi], prescription_gy=gray), reference))
    return results


def _rois(structure: str, case: Case) -> list[str]:
    if structure == EACH_TARGET:
        return [target.roi for target in case.prescription.targets]
    roi = case.names.get(structure, structure)
    return [roi] if roi in case.structures else []
