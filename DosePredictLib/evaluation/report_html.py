"""The page of a report: one HTML file that needs nothing else, filled into Resources/Report/report.html."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import Any

import numpy as np

from .. import __version__
from ..resources import resource
from .difference import NOTABLE_GY, Errors
from .goals import GoalResult
from .report import Report
from .report_figures import ISODOSES, TARGET_LINES, difference_limit
from .structure_metrics import COLUMNS, StructureRow

HEADINGS = {"dmean_gy": "Mean", "d98_gy": "D98%", "d95_gy": "D95%", "d50_gy": "D50%", "d2_gy": "D2%", "d0_03cc_gy": "D0.03cc"}
CARD = {  # entries of the model card in the order they are shown
    "title": "Model", "version": "Version", "weights_sha256": "Weights, SHA-256", "intended_use": "Intended use",
    "training_data": "Training data", "limits": "Limits", "licence": "Licence", "citation": "Citation",
}  # fmt: skip
MOST_LISTED = 3


def page(report: Report) -> str:
    """The whole page."""
    template = Template(resource("Report", "report.html").read_text(encoding="utf-8"))
    return template.substitute(
        subtitle=_subtitle(report),
        cards="".join(_cards(report)),
        planes_note=_planes_note(report),
        legend="".join(_legend(report)),
        planes=_planes(report),
        dvh=report.pictures["DVH"],
        dvh_note=_dvh_note(report),
        structures=_structures(report.rows),
        structures_note=_structures_note(report),
        goals=_goals(report.goals),
        comparison=_comparison(report),
        remarks=_remarks(report),
        provenance="".join(f"<dt>{escape(k)}</dt><dd>{v}</dd>" for k, v in _provenance(report).items()),
        footer=escape(f"DosePredict {__version__}, Python {platform.python_version()}, numpy {np.__version__}."),
    )


def _subtitle(report: Report) -> str:
    targets = ", ".join(f"{t.roi} {t.dose_gy:g} Gy" for t in report.case.prescription.targets)
    model = report.model.get("title") or report.model.get("id") or "unknown model"
    return escape(f"{model} · prescription {targets}")


def _cards(report: Report) -> Iterable[str]:
    """What to know before looking: may it be used, which goals are missed, where it differs from the plan."""
    if report.outside_domain:
        yield _card("red", "Domain", "Outside what the model was trained for", [report.outside_domain])
    elif report.warnings:
        yield _card(
            "amber",
            "Domain",
            f"Within the model's domain, {_count(len(report.warnings), 'warning')}",
            report.warnings[:MOST_LISTED],
        )
    else:
        yield _card("", "Domain", "Within the model's domain, no warnings", [])
    if report.goals:
        yield _goals_card(report.goals)
    yield _differences_card(report)


def _goals_card(goals: Sequence[GoalResult]) -> str:
    missed = sorted((g for g in goals if g.is_met is False), key=lambda g: (g.goal.priority, g.margin))
    lines = [
        f"{g.roi}: {g.goal.metric.name} {_number(g.predicted)} {g.goal.metric.unit}, goal {g.goal.limit}"
        for g in missed[:MOST_LISTED]
    ]
    judged = sum(g.is_met is not None for g in goals)
    also = sum(g.is_met_by_plan is False for g in missed)
    title = f"{len(missed)} of {_count(judged, 'goal')} missed by the prediction" + (
        f", {also} of them by the plan too" if also else ""
    )
    return _card("amber" if missed else "", "Goals", title, lines)


def _differences_card(report: Report) -> str:
    if report.comparison is None:
        return _card("", "Planned dose", "No planned dose to compare with", [])
    found = [(abs(v), row.roi, HEADINGS[key], v) for row in report.rows for key, v in row.notable.items()]
    lines = [
        f"{roi}: {heading} {_number(value, sign=True)} Gy" for _, roi, heading, value in sorted(found, reverse=True)[:MOST_LISTED]
    ]
    structures = len({roi for _, roi, _, _ in found})
    title = f"{_count(structures, 'structure')} worth a look" if found else f"No structure differs by {NOTABLE_GY:g} Gy"
    return _card("amber" if found else "", "Predicted − planned", title, [*lines, _where(report)])


def _where(report: Report) -> str:
    """The voxel with the largest difference, so that it can be looked up."""
    change = report.comparison.change if report.comparison else None
    if change is None:
        return ""
    k, j, i = np.unravel_index(np.nanargmax(np.abs(change.array)), change.array.shape)
    place = ", ".join(_number(mm, digits=0) for mm in change.grid.to_world(np.array([i, j, k])))
    return f"largest anywhere {_number(change.array[k, j, i], sign=True)} Gy, at ({place}) mm in DICOM coordinates"


def _card(kind: str, heading: str, big: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    listing = f"<ul>{items}</ul>" if items else ""
    return f'<div class="card {kind}"><h3>{escape(heading)}</h3><p class="big">{escape(big)}</p>{listing}</div>'


def _planes_note(report: Report) -> str:
    target, gray = report.case.prescription.targets[0].roi, report.case.prescription.highest_gy
    return escape(f"Planes through the centre of {target}. Isodose lines in percent of {gray:g} Gy, the highest prescription.")


def _legend(report: Report) -> Iterable[str]:
    for percent, colour in ISODOSES.items():
        gray = percent / 100 * report.case.prescription.highest_gy
        yield f'<span><i class="swatch" style="background:{colour}"></i>{percent} % ({gray:.1f} Gy)</span>'
    words = {"-": "solid", "--": "dashed", ":": "dotted"}
    for line, target in zip(TARGET_LINES, report.case.prescription.targets, strict=False):
        yield f"<span>{escape(target.roi)}: white, {words[line]}</span>"
    if report.comparison is not None:
        limit = difference_limit(report.comparison.change)
        yield f'<span>Difference −{limit:g} Gy<i class="ramp"></i>+{limit:g} Gy</span>'


def _planes(report: Report) -> str:
    """Three panels a plane one below the other; single ones side by side."""
    figures = "".join(
        f'<figure><img src="{uri}" alt="{name} plane"><figcaption>{name}</figcaption></figure>'
        for name, uri in report.pictures.items()
        if name != "DVH"
    )
    return f'<div class="{"beside" if report.comparison is None else "below"}">{figures}</div>'


def _dvh_note(report: Report) -> str:
    lines = "Planned solid, predicted dashed" if report.comparison else "Predicted dose"
    return escape(f"{lines}; a marker tells the structures apart without colour. Dotted: the highest prescription.")


def _structures(rows: Sequence[StructureRow]) -> str:
    spread = any(row.spread_gy is not None for row in rows)
    heads = ["Structure", "Volume<br>cc", *(f"{text}<br>Gy" for text in HEADINGS.values()), *(["Spread<br>Gy"] if spread else [])]
    lines = []
    for row in rows:
        cells = [_name(row), f"<td>{_number(row.predicted.volume_cc)}</td>", *(_metric_cell(row, key) for key in COLUMNS)]
        cells += [f"<td>{_number(row.spread_gy)}</td>"] if spread else []
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return _table(heads, lines)


def _name(row: StructureRow) -> str:
    level = f' <span class="rx">{row.prescription_gy:g} Gy</span>' if row.prescription_gy else ""
    other = f"<small>{escape(row.name)}</small>" if row.name != row.roi else ""
    note = f'<small class="wrap">{escape(row.note)}</small>' if row.note else ""
    return f"<td>{escape(row.roi)}{level}{other}{note}</td>"


def _metric_cell(row: StructureRow, key: str) -> str:
    value = _number(COLUMNS[key].of(row.predicted))
    if row.planned is None:
        return f"<td>{value}</td>"
    look = ' class="look"' if key in row.notable else ""
    planned, change = _number(COLUMNS[key].of(row.planned)), _number(row.differences[key], sign=True)
    return f"<td{look}>{value}<small>{planned} planned</small><small><b>{change}</b></small></td>"


def _structures_note(report: Report) -> str:
    text = (
        "Dose-volume metrics without bins: each voxel of a structure, divided to 1.5 mm (0.5 mm below 1 cc, joined to 3 mm"
        " above 1 litre), counts with its occupancy and the interval of trilinear dose it spans."
    )
    if report.comparison:
        text += f" Shaded: predicted and planned differ by {NOTABLE_GY:g} Gy or more, worth a look."
    return escape(text)


def _goals(goals: Sequence[GoalResult]) -> str:
    if not goals:
        return '<p class="small">No clinical goal of the template applies to the structures of this case.</p>'
    planned = any(g.planned is not None for g in goals)
    heads = ["Structure", "Metric", "Goal", "Predicted", *(["Planned"] if planned else []), "Margin", "", "Priority"]
    return _table([*heads, "Source"], [_goal_row(goal, planned) for goal in goals])


def _goal_row(result: GoalResult, planned: bool) -> str:
    goal = result.goal
    style, word = {True: ("met", "met"), False: ("missed", "missed"), None: ("none", "no value")}[result.is_met]
    cells = [goal.metric.text, goal.limit, _number(result.predicted), *([_number(result.planned)] if planned else [])]
    values = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return (
        f"<tr><td>{escape(result.roi)}</td>{values}<td>{_number(result.margin, sign=True)}</td>"
        f'<td class="{style}">{word}</td><td>{goal.priority}</td><td class="left wrap small">{escape(goal.source)}</td></tr>'
    )


def _comparison(report: Report) -> str:
    if report.comparison is None:
        return ""
    found = report.comparison.gamma
    gamma = (
        f"Gamma {found.description}: at or below 1 in {_number(found.percent_within)} % of {found.evaluated.size} points, mean"
        f" {_number(found.mean, digits=2)}. A description of how alike the two doses are; limits for measured doses do not apply"
        " to a prediction."
    )
    heads = ["Voxels", "Number", *(f"{h}<br>Gy" for h in ("Mean difference", "Mean absolute", "Root mean square", "Largest"))]
    table = _table(heads, [_errors_row(e) for e in report.comparison.errors])
    return f"<section><h2>Predicted minus planned dose</h2>{table}<p>{escape(gamma)}</p></section>"


def _errors_row(found: Errors) -> str:
    values = (
        _number(found.mean_gy, sign=True),
        _number(found.mean_absolute_gy),
        _number(found.root_mean_square_gy),
        _number(found.largest_gy, sign=True),
    )
    cells = "".join(f"<td>{value}</td>" for value in values)
    return f'<tr><td class="wrap">{escape(found.mask)}</td><td>{found.voxels}</td>{cells}</tr>'


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{h}</th>" for h in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _remarks(report: Report) -> str:
    groups = {"Warnings": (*filter(None, [report.outside_domain]), *report.warnings), "Notes": report.notes}
    lists = [
        f"<h3>{name}</h3><ul>{''.join(f'<li>{escape(t)}</li>' for t in texts)}</ul>" for name, texts in groups.items() if texts
    ]
    return "".join(lists) or '<p class="small">None.</p>'


def _provenance(report: Report) -> dict[str, str]:
    request = {key: report.request[key] for key in ("steps", "samples", "seed", "device") if report.request.get(key) is not None}
    sources = {t.roi: t.source for t in report.case.prescription.targets if t.source}
    entries = {CARD[key]: _text(report.model[key]) for key in CARD if report.model.get(key)}
    entries["Request"] = _text(request)
    if sources:
        entries["Prescription from"] = _text(sources)
    if report.timing_s:
        entries["Time"] = escape(", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.timing_s.items()))
    if report.peak_rss_mb:
        entries["Peak memory"] = f"{report.peak_rss_mb:.0f} MB"
    return entries


def _text(value: Any) -> str:
    """A value of the model card, in words."""
    if isinstance(value, dict):
        return escape(", ".join(f"{key} {entry}" for key, entry in value.items()))
    if isinstance(value, (list, tuple)):
        return "<br>".join(escape(str(entry)) for entry in value)
    text = escape(str(value))
    return f"<code>{text}</code>" if len(text) == 64 and " " not in text else text


def _number(value: float | None, *, sign: bool = False, digits: int = 1) -> str:
    """A number as it is shown; a dash for none, and a real minus sign."""
    if value is None or not math.isfinite(value):
        return "–"
    rounded = round(value, digits) + 0.0  # no negative zero
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}".replace("-", "−")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
