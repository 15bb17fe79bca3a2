"""What of a report deserves a person's attention: checks of the dose, differences worth a look, the organ to look at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core import BODY, Case, DoseGrid, Volume
from .difference import is_notable
from .goals import GoalResult
from .interpolation import on_grid
from .report_nouns import number
from .structure_metrics import COLUMNS, StructureRow

MAXIMUM_PERCENT = (100.0, 120.0)  # of the highest prescription, in clinical plans
COVERAGE_PERCENT = 5.0  # D95 of a target may differ from its prescription by so much


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. passed: whether it is as it should be; text says what was found."""

    passed: bool
    text: str


@dataclass(frozen=True)
class Flag:
    """A metric in which predicted and planned dose differ enough to be worth a look; no verdict on either."""

    roi: str
    metric: str
    unit: str
    predicted: float
    planned: float

    @property
    def difference(self) -> float:
        return self.predicted - self.planned


@dataclass(frozen=True)
class Place:
    """A structure that is shown, and why. hottest: at its point of highest dose, not at its centre."""

    roi: str
    reason: str
    hottest: bool = False


def checks(case: Case, predicted: DoseGrid, rows: Sequence[StructureRow]) -> tuple[Check, ...]:
    """Of the predicted dose alone, in the order a physicist would go through them."""
    return (
        _maximum(case, predicted),
        *(_coverage(row) for row in rows if row.prescription_gy is not None),
        *_outside_grid(rows),
    )


def _maximum(case: Case, predicted: DoseGrid) -> Check:
    gray, percent = float(predicted.gray.max()), 100 * float(predicted.gray.max()) / case.prescription.highest_gy
    usual = MAXIMUM_PERCENT[0] <= percent <= MAXIMUM_PERCENT[1]
    said = "" if usual else f", unlike clinical plans ({MAXIMUM_PERCENT[0]:.0f} to {MAXIMUM_PERCENT[1]:.0f} %)"
    return Check(usual, f"Highest dose of a voxel {gray:.1f} Gy, {percent:.0f} % of the highest prescription{said}.")


def _coverage(row: StructureRow) -> Check:
    gray = COLUMNS["d95_gy"].of(row.predicted)
    percent = 100 * gray / (row.prescription_gy or float("nan"))
    near = abs(percent - 100) <= COVERAGE_PERCENT
    if percent != percent:
        return Check(False, f"{row.roi}: coverage unknown, {row.predicted.refusal or 'it has no dose'}.")
    said = "" if near else f": more than {COVERAGE_PERCENT:.0f} % from it, the dose is not normalised"
    return Check(near, f"{row.roi}: D95% {gray:.1f} Gy is {percent:.1f} % of its prescription{said}.")


def _outside_grid(rows: Sequence[StructureRow]) -> Iterator[Check]:
    partly = [row for row in rows if row.predicted.refusal and row.name != BODY]
    if not partly:
        yield Check(True, "Every structure with dose-volume metrics lies inside the dose grid.")
    for row in partly:
        yield Check(False, f"{row.roi}: {row.predicted.refusal}; no metric is given.")


def flags(rows: Sequence[StructureRow], goals: Sequence[GoalResult]) -> tuple[Flag, ...]:
    """Differences of 2 Gy or 3 % of the volume and more, in the metrics of the table and of the goals; the largest first."""
    found = [
        Flag(row.roi, COLUMNS[key].name, "Gy", COLUMNS[key].of(row.predicted), COLUMNS[key].of(row.planned))
        for row in rows
        for key in row.notable
        if row.planned is not None
    ]
    found += [
        Flag(goal.roi, goal.goal.metric.name, goal.goal.metric.unit, goal.predicted, goal.planned)
        for goal in goals
        if goal.planned is not None and is_notable(goal.predicted - goal.planned, goal.goal.metric.unit)
    ]
    unique = {(flag.roi, flag.metric, flag.unit): flag for flag in found}
    return tuple(sorted(unique.values(), key=lambda flag: -abs(flag.difference)))


def organ_to_look_at(
    case: Case, rows: Sequence[StructureRow], goals: Sequence[GoalResult], found: Sequence[Flag]
) -> Place | None:
    """The organ that misses its goal most, as a share of the limit; else the one that differs most; else the hottest."""
    organs = {row.roi: row for row in rows if not row.is_target and row.name != BODY and not row.predicted.refusal}
    missed = [goal for goal in goals if goal.is_met is False and goal.roi in organs and goal.goal.at_most]
    if missed:
        worst = max(missed, key=lambda goal: goal.predicted / (goal.goal.at_most or 1))
        metric = worst.goal.metric
        reason = f"{metric.name} {number(worst.predicted)} {metric.unit} misses its goal ({worst.goal.limit}) most"
        return Place(worst.roi, reason, hottest=metric.kind == "dose" or metric.at == "Max")
    flag = next((flag for flag in found if flag.roi in organs), None)
    if flag:
        difference = f"{number(flag.difference, sign=True)} {flag.unit}"
        return Place(flag.roi, f"{flag.metric} differs most from the plan ({difference})", hottest=flag.metric.startswith("D"))
    known = [row for row in organs.values() if row.roi in case.names.values()] or list(organs.values())
    if not known:
        return None
    hottest = max(known, key=lambda row: row.predicted.mean_gy)
    return Place(hottest.roi, f"the organ with the highest mean dose ({number(hottest.predicted.mean_gy)} Gy)", hottest=True)


def point_of(place: Place, occupancies: Mapping[str, Volume], predicted: DoseGrid) -> np.ndarray:
    """LPS mm: the centre of a structure, or its voxel of highest predicted dose."""
    occupancy = occupancies[place.roi]
    index = np.argwhere(occupancy.array > 0.5 * occupancy.array.max())
    if place.hottest:
        gray = on_grid(predicted, occupancy.grid)[tuple(index.T)]
        return occupancy.grid.to_world(index[gray.argmax(), ::-1])
    return occupancy.grid.to_world(index.mean(0)[::-1])
