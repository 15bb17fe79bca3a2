"""Objectives for a plan optimiser, read off the predicted dose-volume histograms.

    target    lower    95 % of the volume at the prescription
    target    lower    98 % of the volume at the predicted D98%, where that is below the prescription
    target    upper     2 % of the volume at the predicted D2%
    organ     upper    50, 20 and 2 % of the volume at the predicted D50%, D20%, D2%
    organ     mean     the predicted mean dose

They ask for what the model expects to be reached and are a start for the planner, not a plan. Organ objectives below 5 % of the
highest prescription are left out: there is nothing to be gained. Priority 1 is for targets; an organ has the priority of its
first clinical goal, 3 where it has none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from ..core import BODY
from .dvh import Dvh
from .goals import GoalResult
from .structure_metrics import StructureRow

HEADER = ("structure", "type", "dose_gy", "volume_percent", "priority")
NEGLIGIBLE = 0.05  # of the highest prescription
ORGAN_PERCENT = (50.0, 20.0, 2.0)
NO_GOAL = 3


@dataclass(frozen=True)
class Objective:
    """type: lower, upper or mean. volume_percent: None for mean. priority: 1 comes first."""

    structure: str
    type: str
    dose_gy: float
    volume_percent: float | None
    priority: int


def objectives(rows: Sequence[StructureRow], goals: Sequence[GoalResult]) -> list[Objective]:
    """Of every structure but the body whose histogram can be relied on."""
    highest = max((row.prescription_gy or 0.0 for row in rows), default=0.0)
    priority = {goal.roi: goal.goal.priority for goal in sorted(goals, key=lambda g: -g.goal.priority)}
    found: list[Objective] = []
    for row in rows:
        if row.name == BODY or row.predicted.refusal:
            continue
        if row.prescription_gy is not None:
            found += _of_target(row.roi, row.predicted, row.prescription_gy)
        else:
            organ = _of_organ(row.roi, row.predicted, priority.get(row.roi, NO_GOAL))
            found += [objective for objective in organ if objective.dose_gy >= NEGLIGIBLE * highest]
    return found


def objectives_csv(found: Sequence[Objective]) -> str:
    """The table, one objective a line; an empty volume for mean."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(HEADER)
    for objective in found:
        structure, kind, gray, percent, priority = astuple(objective)
        writer.writerow([structure, kind, f"{gray:.2f}", "" if percent is None else f"{percent:g}", priority])
    return stream.getvalue()


def _of_target(roi: str, dvh: Dvh, prescription_gy: float) -> Iterator[Objective]:
    yield Objective(roi, "lower", prescription_gy, 95.0, 1)
    if dvh.dose_to_percent(98) < prescription_gy:
        yield Objective(roi, "lower", dvh.dose_to_percent(98), 98.0, 1)
    yield Objective(roi, "upper", dvh.dose_to_percent(2), 2.0, 1)


def _of_organ(roi: str, dvh: Dvh, priority: int) -> Iterator[Objective]:
    for percent in ORGAN_PERCENT:
        yield Objective(roi, "upper", dvh.dose_to_percent(percent), percent, priority)
    yield Objective(roi, "mean", dvh.mean_gy, None, priority)
