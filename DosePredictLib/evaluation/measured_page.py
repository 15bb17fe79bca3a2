"""The page of a predicted measured dose: one HTML file that needs nothing else, filled into Resources/Report/measured.html."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

from ..resources import resource
from . import measured_words as words
from .markup import card, data_uri, listing, remarks, style, table
from .measured_figures import FAILED, MEASURED_ISODOSES, PASSED
from .measured_report import MeasuredReport
from .report_dvh import dvh_svg
from .report_figures import Picture
from .report_tables import errors_table, structures_table
from .report_words import footer

SIGNS = {True: "✓", False: "!"}


def measured_page(report: MeasuredReport) -> str:
    """The whole page."""
    template = Template(resource("Report", "measured.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=style(),
        title=escape(words.title(report)),
        subtitle=escape(words.subtitle(report)),
        warning=escape(words.warning(report)),
        identity=listing(report.identity.items()),
        cards="".join(map(card, words.cards(report))),
        checks="".join(
            f'<li class="{"" if c.passed else "look"}">{SIGNS[c.passed]} {escape(c.text)}</li>' for c in report.checks
        ),
        planes_note=escape(words.planes_note(report)),
        legend="".join(_legend(report)),
        planes=_planes(report.pictures),
        worst_note=escape(words.worst_note(report)),
        worst=_planes(report.worst),
        errors=table(errors_table(report.errors)),
        gamma_note=escape(words.gamma_note(report)),
        structures=_structures(report),
        remarks=remarks({"Warnings": report.warnings, "Notes": report.notes}),
        model=listing(words.model_card(report)),
        provenance=listing(words.provenance(report)),
        footer=escape(footer()),
    )


def _legend(report: MeasuredReport) -> Iterable[str]:
    for percent, colour in MEASURED_ISODOSES.items():
        gray = percent / 100 * report.case.planned.gray.max()
        yield f'<span><i class="swatch" style="background:{colour}"></i>{percent} % ({gray:.1f} Gy)</span>'
    low, high = words.difference_ends(report)
    yield f'<span>Difference {low}<i class="ramp"></i>{high}</span>'
    yield f'<span>Gamma<i class="swatch" style="background:{PASSED}"></i>up to 1'
    yield f' <i class="swatch" style="background:{FAILED}"></i>above</span>'


def _planes(pictures: Sequence[Picture]) -> str:
    figures = "".join(
        f'<figure><img src="{data_uri(p.jpeg, "image/jpeg")}" alt="{p.plane} plane"><figcaption>{p.plane}</figcaption></figure>'
        for p in pictures
    )
    return f'<div class="below">{figures}</div>'


def _structures(report: MeasuredReport) -> str:
    """Histograms and metrics, where there are structures."""
    if not report.rows:
        return ""
    bands = report.uncertainty.bands if report.uncertainty else {}
    intervals = report.uncertainty.intervals if report.uncertainty else {}
    histogram = data_uri(dvh_svg(report.rows, bands=bands), "image/svg+xml")
    note, metrics = escape(words.dvh_note(report)), table(structures_table(report.rows, intervals))
    return (
        f'<section><h2>Dose-volume histogram</h2><figure><img src="{histogram}" alt="Dose-volume histogram">'
        f"<figcaption>{note}</figcaption></figure></section>"
        f'<section><h2>Structures</h2>{metrics}<p class="small">{escape(words.structures_note())}</p></section>'
    )
