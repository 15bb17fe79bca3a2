"""The first page: can this dose be used, and where should one look."""

from __future__ import annotations

import numpy as np

from .difference import NOTABLE_GY
from .report import Report
from .report_nouns import GOOD, LOOK, STOP, Card, count, number
from .structure_metrics import COLUMNS

MOST_LISTED = 3
DOMAIN = {
    "green": (GOOD, "Green: a case like those the model was trained on"),
    "amber": (LOOK, "Amber: unusual for the model"),
    "red": (STOP, "Red: outside what the model was trained for"),
    "grey": (LOOK, "Unknown: the model's card does not say what it was trained on"),
}


def cards(report: Report) -> tuple[Card, ...]:
    """In the order they are read."""
    return tuple(
        card
        for card in (_domain(report), _checks(report), _goals(report), _flags(report), _uncertainty(report), _site(report))
        if card is not None
    )


def _domain(report: Report) -> Card | None:
    domain = report.domain
    if domain is None:
        return None
    kind, title = DOMAIN[domain.colour]
    listed = domain.reasons or domain.notable
    return Card("Does the model know such cases?", title, tuple(listed[:MOST_LISTED]), kind)


def _checks(report: Report) -> Card:
    failed = [check.text for check in report.checks if not check.passed]
    if not failed:
        passed = f"{count(len(report.checks), 'check')} passed"
        warned = f", {count(len(report.warnings), 'warning')} below" if report.warnings else ""
        return Card("Checks of the dose", passed + warned, tuple(report.warnings[:MOST_LISTED]), LOOK if warned else GOOD)
    title = f"{len(failed)} of {count(len(report.checks), 'check')} worth a look"
    return Card("Checks of the dose", title, tuple(failed[:MOST_LISTED]), LOOK)


def _goals(report: Report) -> Card | None:
    if not report.goals:
        return None
    missed = sorted((g for g in report.goals if g.is_met is False), key=lambda g: (g.goal.priority, g.margin))
    judged = sum(goal.is_met is not None for goal in report.goals)
    also = sum(goal.is_met_by_plan is False for goal in missed)
    title = f"{len(missed)} of {count(judged, 'goal')} missed" + (f", {also} of them by the plan too" if also else "")
    lines = [
        f"{g.roi}: {g.goal.metric.name} {number(g.predicted)} {g.goal.metric.unit}, goal {g.goal.limit}"
        for g in missed[:MOST_LISTED]
    ]
    return Card("Clinical goals", title, tuple(lines), LOOK if missed else GOOD)


def _flags(report: Report) -> Card:
    if report.comparison is None:
        return Card("Predicted and planned dose", "No planned dose to compare with")
    structures = len({flag.roi for flag in report.flags})
    title = f"{count(structures, 'structure')} worth a look" if structures else f"No structure differs by {NOTABLE_GY:g} Gy"
    largest = {flag.roi: flag for flag in reversed(report.flags)}  # one of each structure, its largest
    ordered = sorted(largest.values(), key=lambda flag: -abs(flag.difference))
    lines = [f"{f.roi}: {f.metric} {number(f.difference, sign=True)} {f.unit}" for f in ordered[:MOST_LISTED]]
    return Card("Predicted − planned", title, (*lines, _where(report)), LOOK if structures else GOOD)


def _where(report: Report) -> str:
    """The voxel with the largest difference, so that it can be looked up."""
    change = report.comparison.change if report.comparison else None
    if change is None:
        return ""
    k, j, i = np.unravel_index(np.nanargmax(np.abs(change.array)), change.array.shape)
    place = ", ".join(number(mm, digits=0) for mm in change.grid.to_world(np.array([i, j, k])))
    return f"largest anywhere {number(change.array[k, j, i], sign=True)} Gy, at ({place}) mm in DICOM coordinates"


def _uncertainty(report: Report) -> Card | None:
    found = report.uncertainty
    if found is None:
        return None
    widest = sorted(found.intervals, key=lambda roi: -found.width(roi, "dmean_gy"))[:MOST_LISTED]
    lines = [f"{COLUMNS['dmean_gy'].name} of {roi} {found.intervals[roi]['dmean_gy'].words()}" for roi in widest]
    return Card("How sure is the prediction?", "Widest intervals of the mean dose", (*lines, found.words))


def _site(report: Report) -> Card | None:
    """What calibration on the site's own plans has shown of the structures of this case."""
    if report.site is None:
        return None
    return Card("At your site", f"Measured on {count(report.site.cases, 'plan')}", report.site.words[:MOST_LISTED])
