"""The report of a predicted measured dose as PDF, A4: the same cards, pictures and tables as its page."""

from __future__ import annotations

from pathlib import Path

from . import measured_words as words
from .measured_figures import MEASURED_ISODOSES
from .measured_report import MeasuredReport
from .pdf_sheets import Sheets
from .report import NOTICE
from .report_dvh import draw_dvh
from .report_nouns import GOOD, LOOK
from .report_pdf import DVH_HEIGHT, SIGNS, boxed, legend_beside, planes
from .report_tables import errors_table, structures_table
from .report_words import footer


def write_measured_pdf(report: MeasuredReport, path: Path) -> None:
    """Write all pages; the same report is the same file."""
    with Sheets(path, notice=f"{NOTICE} {words.warning(report)}", footer=footer()) as sheets:
        _first_page(sheets, report)
        _pictures(sheets, report)
        _numbers(sheets, report)
        _background(sheets, report)


def _first_page(sheets: Sheets, report: MeasuredReport) -> None:
    sheets.title(words.title(report), words.subtitle(report))
    sheets.listing(report.identity.items())
    for card in words.cards(report):
        boxed(sheets, card)
    sheets.heading("Checks", small=True)
    sheets.bullets([f"{SIGNS[GOOD if check.passed else LOOK]} {check.text}" for check in report.checks])


def _pictures(sheets: Sheets, report: MeasuredReport) -> None:
    highest, (low, high) = float(report.case.planned.gray.max()), words.difference_ends(report)
    sheets.page()
    sheets.heading("Predicted measured and planned dose")
    sheets.paragraph(words.planes_note(report))
    sheets.colours([(colour, f"{p} % ({p / 100 * highest:.1f} Gy)") for p, colour in MEASURED_ISODOSES.items()])
    sheets.paragraph(f"Difference: violet {low} to green {high}. Gamma: yellow up to 1, red above.")
    planes(sheets, report.pictures)
    sheets.page()
    sheets.heading(words.worst_note(report), small=True)
    planes(sheets, report.worst)


def _numbers(sheets: Sheets, report: MeasuredReport) -> None:
    sheets.page()
    sheets.heading("Predicted measured minus planned dose")
    sheets.table(errors_table(report.errors))
    sheets.paragraph(words.gamma_note(report))
    if not report.rows:
        return
    found = report.uncertainty
    sheets.heading("Dose-volume histogram")
    axes = sheets.axes(DVH_HEIGHT)
    draw_dvh(axes, report.rows, bands=found.bands if found else {})
    legend_beside(axes)
    sheets.paragraph(words.dvh_note(report))
    sheets.heading("Structures")
    sheets.table(structures_table(report.rows, found.intervals if found else {}))
    sheets.paragraph(words.structures_note())


def _background(sheets: Sheets, report: MeasuredReport) -> None:
    for heading, texts in {"Warnings": report.warnings, "Notes": report.notes}.items():
        if texts:
            sheets.heading(heading)
            sheets.bullets(texts)
    sheets.heading("Model card")
    sheets.listing(words.model_card(report))
    sheets.heading("How this was made")
    sheets.listing(words.provenance(report))
