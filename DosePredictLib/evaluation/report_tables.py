"""The tables of a report, as plain cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .difference import Errors
from .goals import GoalResult
from .isodose import IsodoseAgreement
from .report import Report
from .report_nouns import GOOD, LOOK, STOP, Cell, Table, number
from .structure_metrics import COLUMNS, StructureRow
from .tps_dvh import DvhComparison
from .uncertainty import Interval

MOST_FLAGS = 20


def structures_table(rows: Sequence[StructureRow], intervals: Mapping[str, Mapping[str, Interval]]) -> Table:
    """Volume and metrics; below each the interval where there is one, the planned value and the difference."""
    heads = ("Structure", "Volume\ncc", *(f"{metric.name}\nGy" for metric in COLUMNS.values()))
    return Table(heads, tuple(_structure(row, intervals.get(row.roi, {})) for row in rows))


def _structure(row: StructureRow, intervals: Mapping[str, Interval]) -> tuple[Cell, ...]:
    level = f" {row.prescription_gy:g} Gy" if row.prescription_gy else ""
    below = ((row.name,) if row.name != row.roi else ()) + ((row.note,) if row.note else ())
    return (
        Cell(row.roi + level, below),
        Cell(number(row.predicted.volume_cc)),
        *(_metric(row, key, intervals.get(key)) for key in COLUMNS),
    )


def _metric(row: StructureRow, key: str, known: Interval | None) -> Cell:
    below = [f"{number(known.low)} … {number(known.high)}"] if known else []
    if row.planned is not None:
        below += [f"{number(COLUMNS[key].of(row.planned))} planned", number(row.differences[key], sign=True)]
    return Cell(number(COLUMNS[key].of(row.predicted)), tuple(below), LOOK if key in row.notable else "")


def goals_table(goals: Sequence[GoalResult]) -> Table:
    """Value, limit, margin; planned beside predicted where there is a planned dose."""
    planned = any(goal.planned is not None for goal in goals)
    heads = ("Structure", "Metric", "Goal", "Predicted", *(("Planned",) if planned else ()), "Margin", "", "Priority", "Source")
    rows = tuple(_goal(goal, planned) for goal in goals)
    return Table(heads, rows, frozenset({0, len(heads) - 1}))


def _goal(result: GoalResult, planned: bool) -> tuple[Cell, ...]:
    goal = result.goal
    kind, word = {True: (GOOD, "✓ met"), False: (STOP, "✗ missed"), None: ("", "no value")}[result.is_met]
    return (
        Cell(result.roi),
        Cell(goal.metric.text),
        Cell(goal.limit),
        Cell(number(result.predicted)),
        *((Cell(number(result.planned)),) if planned else ()),
        Cell(number(result.margin, sign=True)),
        Cell(word, kind=kind),
        Cell(str(goal.priority)),
        Cell(goal.source),
    )


def flags_table(report: Report) -> Table:
    """The largest differences that are worth a look."""
    heads = ("Worth a look", "Metric", "Predicted", "Planned", "Difference")
    rows = tuple(
        (
            Cell(flag.roi),
            Cell(f"{flag.metric} [{flag.unit}]"),
            Cell(number(flag.predicted)),
            Cell(number(flag.planned)),
            Cell(number(flag.difference, sign=True), kind=LOOK),
        )
        for flag in report.flags[:MOST_FLAGS]
    )
    return Table(heads, rows)


def errors_table(found: Sequence[Errors]) -> Table:
    """Differences of the doses voxel by voxel."""
    heads = ("Voxels", "Number", "Mean difference\nGy", "Mean absolute\nGy", "Root mean square\nGy", "Largest\nGy")
    return Table(heads, tuple(_errors(entry) for entry in found))


def _errors(found: Errors) -> tuple[Cell, ...]:
    return (
        Cell(found.mask),
        Cell(str(found.voxels)),
        Cell(number(found.mean_gy, sign=True, digits=2)),
        Cell(number(found.mean_absolute_gy, digits=2)),
        Cell(number(found.root_mean_square_gy, digits=2)),
        Cell(number(found.largest_gy, sign=True, digits=2)),
    )


def isodoses_table(found: Sequence[IsodoseAgreement], highest_gy: float) -> Table:
    """Overlap and distance of the isodose volumes."""
    heads = ("Isodose", "Dose\nGy", "Overlap\nDice", "Distance of 95 %\nmm")
    rows = tuple(
        (
            Cell(f"{100 * entry.level_gy / highest_gy:.0f} %"),
            Cell(number(entry.level_gy)),
            Cell(number(entry.dice, digits=3)),
            Cell(number(entry.hausdorff95_mm)),
        )
        for entry in found
    )
    return Table(heads, rows)


def tabulated_table(compared: Sequence[DvhComparison]) -> Table:
    """Our histograms of the planned dose beside the planning system's own."""
    names = [metric.metric.name for metric in compared[0].metrics] if compared else []
    heads = ("Structure", "Volume\n%", *(f"{name}\nGy" for name in names), "Largest apart\n% of the volume")
    return Table(heads, tuple(_tabulated(entry) for entry in compared))


def _tabulated(entry: DvhComparison) -> tuple[Cell, ...]:
    cells = [
        Cell(number(m.difference, sign=True, digits=2), (f"{number(m.theirs, digits=2)} theirs",), LOOK if m.is_notable else "")
        for m in entry.metrics
    ]
    apart = Cell(number(entry.largest_percent, sign=True), (f"at {number(entry.at_gy)} Gy",))
    return (Cell(entry.name), Cell(number(entry.volume_percent, sign=True)), *cells, apart)
