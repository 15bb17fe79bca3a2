"""Clinical goals: a table a physicist edits in any spreadsheet, and how a dose meets it.

    # title: Head and neck
    # site: Head and neck
    structure,metric,limit,priority,source,checked
    Parotid_L,Mean[Gy],<= 26,2,"RTOG 0225: at least one gland",no

Comma or semicolon separated; lines that begin with # say what the table is. A structure is named by its TG-263 name, a target by
the ROI's own name, and "Target" stands for each target of the prescription. ``checked`` says what a row was compared with.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import BODY, Case, InputError
from ..resources import resource
from .dvh import Dvh
from .metrics import Metric

EACH_TARGET = "Target"
REQUIRED = ("structure", "metric", "limit")
COLUMNS = (*REQUIRED, "priority", "source", "checked")
LIMIT = re.compile(r"(?P<sign><=|>=|≤|≥)\s*(?P<value>\d+(?:\.\d+)?)")
LOWEST_PRIORITY = 9


@dataclass(frozen=True)
class Goal:
    """One row. Exactly one of ``at_most`` and ``at_least`` is given, in the unit of the metric; priority 1 comes first."""

    structure: str
    metric: Metric
    at_most: float | None = None
    at_least: float | None = None
    priority: int = 2
    source: str = ""
    checked: str = ""

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


@dataclass(frozen=True)
class GoalTemplate:
    """The goals of one file and what it says of itself."""

    title: str
    site: str
    note: str
    goals: tuple[Goal, ...]


def templates() -> dict[str, Path]:
    """The shipped templates by their names: head_and_neck, breast, ..."""
    return {path.stem: path for path in sorted(resource("ClinicalGoals").glob("*.csv"))}


def read_goals(path: Path) -> list[Goal]:
    """The rows of a template. Raises InputError, naming the file and the line, for anything but the format above."""
    return list(read_template(path).goals)


def read_template(path: Path) -> GoalTemplate:
    """Raises InputError as ``read_goals``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The clinical goals {path.name} cannot be read; they must be a table (CSV, UTF-8).") from error
    goals = tuple(_goal(row, f"Line {number} of {path.name}") for number, row in _rows(lines, path.name))
    if not goals:
        raise InputError(f"The clinical goals {path.name} have no row below {','.join(COLUMNS)}.")
    about = dict(_about(lines))
    return GoalTemplate(about.get("title", path.stem), about.get("site", ""), about.get("note", ""), goals)


def _about(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line.startswith("#"):
            key, _, text = line.strip('#",; ').partition(":")
            yield key.strip(), text.strip()


def _rows(lines: Sequence[str], name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column, of the lines below the header."""
    table = [(number, line) for number, line in enumerate(lines, 1) if line.strip(",; ") and not line.startswith(("#", '"#'))]
    delimiter = ";" if table and ";" in table[0][1] else ","
    cells = [(number, [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]) for number, line in table]
    header = cells[0][1] if cells else []
    if not set(REQUIRED) <= set(header) <= set(COLUMNS):
        raise InputError(f"The clinical goals {name} must begin with the columns {','.join(COLUMNS)}.")
    for number, row in cells[1:]:
        if len(row) != len(header):
            raise InputError(
                f"Line {number} of {name} has {len(row)} cells instead of {len(header)}; put text with commas in quotes."
            )
        yield number, dict(zip(header, row, strict=True))


def _goal(row: Mapping[str, str], where: str) -> Goal:
    where += f" ({row['structure'] or 'no structure'})"
    limit = LIMIT.fullmatch(row["limit"])
    priority = row.get("priority") or "2"
    if not row["structure"]:
        raise InputError(f"{where} names no structure.")
    if limit is None:
        raise InputError(
            f"{where}: the limit '{row['limit']}' is not known; write it like '<= 26' or '>= 95', in the metric's unit."
        )
    if priority not in map(str, range(1, LOWEST_PRIORITY + 1)):
        raise InputError(f"{where}: the priority '{priority}' is not a number from 1 (first) to {LOWEST_PRIORITY}.")
    try:
        metric = Metric.parse(row["metric"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    upper, value = limit["sign"] in ("<=", "≤"), float(limit["value"])
    return Goal(
        row["structure"],
        metric,
        at_most=value if upper else None,
        at_least=None if upper else value,
        priority=int(priority),
        source=row.get("source", ""),
        checked=row.get("checked", ""),
    )


def evaluate_goals(
    goals: Sequence[Goal], case: Case, predicted: Mapping[str, Dvh], planned: Mapping[str, Dvh] | None = None
) -> list[GoalResult]:
    """The goals of the structures this case has, by priority; histograms are by ROI name.

    An index of conformity has a value where the histogram of the whole body is among them.
    """
    prescribed = {target.roi: target.dose_gy for target in case.prescription.targets}
    body = case.names.get(BODY, BODY)
    results = []
    for goal in sorted(goals, key=lambda g: g.priority):
        for roi in _rois(goal.structure, case):
            gray = prescribed.get(roi, case.prescription.highest_gy)
            found, reference = (_value(goal.metric, roi, dvhs or {}, gray, body) for dvhs in (predicted, planned))
            if found is not None:
                results.append(GoalResult(goal, roi, found, reference))
    return results


def _value(metric: Metric, roi: str, dvhs: Mapping[str, Dvh], prescription_gy: float, body: str) -> float | None:
    return metric.of(dvhs[roi], prescription_gy=prescription_gy, body=dvhs.get(body)) if roi in dvhs else None


def _rois(structure: str, case: Case) -> list[str]:
    if structure == EACH_TARGET:
        return [target.roi for target in case.prescription.targets]
    roi = case.names.get(structure, structure)
    return [roi] if roi in case.structures else []


def goals_csv(results: Sequence[GoalResult]) -> str:
    """The table as CSV: structure, ROI, metric, limit, predicted, planned, margin, met (yes, no or nothing), priority, source."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    heads = (
        "Structure",
        "ROI",
        "Metric",
        "Limit",
        "Unit",
        "Predicted",
        "Planned",
        "Margin",
        "Met",
        "Met by plan",
        "Priority",
        "Source",
    )
    writer.writerow(heads)
    for result in results:
        goal = result.goal
        values = [_cell(value) for value in (result.predicted, result.planned, result.margin)]
        met = [{True: "yes", False: "no", None: ""}[answer] for answer in (result.is_met, result.is_met_by_plan)]
        name = [goal.structure, result.roi, goal.metric.name, goal.limit, goal.metric.unit]
        writer.writerow([*name, *values, *met, goal.priority, goal.source])
    return stream.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"
