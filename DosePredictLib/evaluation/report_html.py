"""The page of a report: one HTML file that needs nothing else, filled into Resources/Report/report.html."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

from ..resources import resource
from . import report_words as words
from .markup import card, data_uri, listing, remarks, table
from .report import Report
from .report_cards import cards
from .report_dvh import dvh_svg
from .report_figures import ISODOSES, TARGET_LINES, Picture
from .report_tables import errors_table, flags_table, goals_table, isodoses_table, structures_table, tabulated_table

LINES = {"-": "solid", "--": "dashed", ":": "dotted"}
SIGNS = {True: "✓", False: "!"}


def page(report: Report) -> str:
    """The whole page."""
    template = Template(resource("Report", "report.html").read_text(encoding="utf-8"))
    prescription = report.case.prescription.highest_gy
    histogram = dvh_svg(report.rows, prescription, bands=report.bands, tabulated=report.tabulated)
    return template.substitute(
        title=escape(words.title(report)),
        subtitle=escape(words.subtitle(report)),
        identity=listing(words.identity(report)),
        cards="".join(map(card, cards(report))),
        checks="".join(
            f'<li class="{"" if c.passed else "look"}">{SIGNS[c.passed]} {escape(c.text)}</li>' for c in report.checks
        ),
        flags=_flags(report),
        planes_note=escape(words.planes_note(report)),
        legend="".join(_legend(report)),
        planes=_planes(report.pictures, report),
        organ=_organ(report),
        dvh=data_uri(histogram, "image/svg+xml"),
        dvh_note=escape(words.dvh_note(report)),
        structures=table(structures_table(report.rows, report.intervals)),
        structures_note=escape(words.structures_note(report)),
        goals=_goals(report),
        comparison=_comparison(report),
        tabulated=_tabulated(report),
        remarks=remarks({"Warnings": report.warnings, "Notes": report.notes}),
        model=_model(report),
        provenance=listing(words.provenance(report)),
        footer=escape(words.footer()),
    )


def _flags(report: Report) -> str:
    if not report.flags:
        return ""
    return f'<h3>Where to look</h3>{table(flags_table(report))}<p class="small">{escape(words.FLAGS_NOTE)}</p>'


def _legend(report: Report) -> Iterable[str]:
    for percent, colour in ISODOSES.items():
        gray = percent / 100 * report.case.prescription.highest_gy
        yield f'<span><i class="swatch" style="background:{colour}"></i>{percent} % ({gray:.1f} Gy)</span>'
    for line, target in zip(TARGET_LINES, report.case.prescription.targets, strict=False):
        yield f"<span>{escape(target.roi)}: white, {LINES[line]}</span>"
    if report.comparison is not None:
        limit = words.limit_of(report)
        yield f'<span>Difference −{limit:g} Gy<i class="ramp"></i>+{limit:g} Gy</span>'


def _planes(pictures: Sequence[Picture], report: Report) -> str:
    """Three panels a plane one below the other; single ones side by side."""
    figures = "".join(
        f'<figure><img src="{data_uri(p.jpeg, "image/jpeg")}" alt="{p.plane} plane"><figcaption>{p.plane}</figcaption></figure>'
        for p in pictures
    )
    return f'<div class="{"beside" if report.comparison is None else "below"}">{figures}</div>'


def _organ(report: Report) -> str:
    if report.organ is None:
        return ""
    return f"<h3>{escape(words.organ_note(report))}</h3>{_planes(report.organ_pictures, report)}"


def _goals(report: Report) -> str:
    if not report.goals:
        return '<p class="small">No clinical goal of the template applies to the structures of this case.</p>'
    return table(goals_table(report.goals))


def _comparison(report: Report) -> str:
    if report.comparison is None:
        return ""
    errors = table(errors_table(report.comparison.errors)) + f"<p>{escape(words.gamma_note(report))}</p>"
    return f"<section><h2>Predicted minus planned dose</h2>{errors}{_isodoses(report)}</section>"


def _isodoses(report: Report) -> str:
    if report.comparison is None or not report.comparison.isodoses:
        return ""
    found = table(isodoses_table(report.comparison.isodoses, report.case.prescription.highest_gy))
    return f'{found}<p class="small">{escape(words.isodoses_note())}</p>'


def _tabulated(report: Report) -> str:
    if not report.tabulated_differences:
        return ""
    differences = table(tabulated_table(report.tabulated_differences))
    note = f'<p class="small">{escape(words.tabulated_note(report))}</p>'
    return f"<section><h2>The planning system's own histograms</h2>{differences}{note}</section>"


def _model(report: Report) -> str:
    return f"<section><h2>Model card</h2>{listing(words.model_card(report))}</section>" if report.model else ""
