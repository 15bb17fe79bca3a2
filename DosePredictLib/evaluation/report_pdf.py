"""The report as PDF, A4: the same cards, pictures and tables as the page, set by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import report_words as words
from .pdf_sheets import Sheets
from .report import NOTICE, Report
from .report_cards import cards
from .report_dvh import draw_dvh
from .report_figures import ISODOSES, TARGET_LINES, Picture
from .report_nouns import GOOD, LOOK, STOP, Card
from .report_tables import errors_table, flags_table, goals_table, isodoses_table, structures_table, tabulated_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIGNS = {GOOD: "✓", LOOK: "!", STOP: "✗", "": ""}
LINES = {"-": "solid", "--": "dashed", ":": "dotted"}
DVH_HEIGHT = 95.0  # mm
MOST_CARDS_BESIDE = 3


def write_pdf(report: Report, path: Path) -> None:
    """Write all pages; the file has no creation date, so that the same report is the same file."""
    with Sheets(path, notice=f"{NOTICE} {words.WARNING}", footer=words.footer()) as sheets:
        _first_page(sheets, report)
        _pictures(sheets, report)
        _histogram(sheets, report)
        _tables(sheets, report)
        _background(sheets, report)


def _first_page(sheets: Sheets, report: Report) -> None:
    sheets.title(words.title(report), words.subtitle(report))
    sheets.listing(words.identity(report))
    for card in cards(report):
        boxed(sheets, card)
    sheets.heading("Checks", small=True)
    sheets.bullets([f"{SIGNS[GOOD if check.passed else LOOK]} {check.text}" for check in report.checks])
    if report.flags:
        sheets.heading("Where to look", small=True)
        sheets.table(flags_table(report))
        sheets.paragraph(words.FLAGS_NOTE)


def boxed(sheets: Sheets, card: Card) -> None:
    sheets.boxed(f"{SIGNS[card.kind]} {card.title}", card.heading, card.lines, heavy=card.kind == STOP)


def _pictures(sheets: Sheets, report: Report) -> None:
    sheets.page()
    sheets.heading("Dose on CT")
    sheets.paragraph(words.planes_note(report))
    sheets.colours(_legend(report))
    planes(sheets, report.pictures)
    if report.organ is not None:
        sheets.page()
        sheets.heading(words.organ_note(report), small=True)
        planes(sheets, report.organ_pictures)


def _legend(report: Report) -> Iterable[tuple[str, str]]:
    """Colour and text."""
    for percent, colour in ISODOSES.items():
        yield colour, f"{percent} % ({percent / 100 * report.case.prescription.highest_gy:.1f} Gy)"
    for line, target in zip(TARGET_LINES, report.case.prescription.targets, strict=False):
        yield "", f"{target.roi}: white, {LINES[line]}"
    if report.comparison is not None:
        yield "", f"Difference: blue −{words.limit_of(report):g} Gy to red +{words.limit_of(report):g} Gy"


def planes(sheets: Sheets, pictures: Sequence[Picture]) -> None:
    from matplotlib.image import imread

    images = [(picture.plane, imread(io.BytesIO(picture.jpeg), format="jpeg")) for picture in pictures]
    sheets.images(images)


def _histogram(sheets: Sheets, report: Report) -> None:
    sheets.page()
    sheets.heading("Dose-volume histogram")
    axes = sheets.axes(DVH_HEIGHT)
    draw_dvh(axes, report.rows, report.case.prescription.highest_gy, bands=report.bands, tabulated=report.tabulated)
    legend_beside(axes)
    sheets.paragraph(words.dvh_note(report))
    if report.goals:
        sheets.heading("Clinical goals")
        sheets.table(goals_table(report.goals))


def legend_beside(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7, handlelength=3)


def _tables(sheets: Sheets, report: Report) -> None:
    sheets.heading("Structures")
    sheets.table(structures_table(report.rows, report.intervals))
    sheets.paragraph(words.structures_note(report))
    if report.comparison is not None:
        sheets.heading("Predicted minus planned dose")
        sheets.table(errors_table(report.comparison.errors))
        sheets.paragraph(words.gamma_note(report))
        if report.comparison.isodoses:
            sheets.table(isodoses_table(report.comparison.isodoses, report.case.prescription.highest_gy))
            sheets.paragraph(words.isodoses_note())
    if report.tabulated_differences:
        sheets.heading("The planning system's own histograms")
        sheets.table(tabulated_table(report.tabulated_differences))
        sheets.paragraph(words.tabulated_note(report))


def _background(sheets: Sheets, report: Report) -> None:
    for heading, texts in {"Warnings": report.warnings, "Notes": report.notes}.items():
        if texts:
            sheets.heading(heading)
            sheets.bullets(texts)
    if report.model:
        sheets.heading("Model card")
        sheets.listing(words.model_card(report))
    sheets.heading("How this was made")
    sheets.listing(words.provenance(report))
