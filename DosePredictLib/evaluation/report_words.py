"""The sentences of a report, the same on the page and in the PDF."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import __version__
from ..core import Grid
from .difference import NOTABLE_GY, NOTABLE_PERCENT
from .report import Report, request_of
from .report_figures import difference_limit
from .report_nouns import number

WARNING = (
    "The predicted dose is an estimate by a neural network. It was not calculated for any beam, and must not be used to treat,"
    " approve or modify treatment. Recalculate in a commissioned treatment planning system."
)
FLAGS_NOTE = (
    f"Differences of {NOTABLE_GY:g} Gy, or {NOTABLE_PERCENT:g} % of the volume, and more:"
    " a reason to look, no verdict on either dose."
)
CARD = {  # entries of the model card in the order they are shown
    "title": "Model", "version": "Version", "weights_sha256": "Weights, SHA-256", "intended_use": "Intended use",
    "training_data": "Training data", "limits": "Limits", "licence": "Licence", "citation": "Citation",
}  # fmt: skip


def title(report: Report) -> str:
    return "Predicted dose" if report.model else "Evaluation of a dose"


def subtitle(report: Report) -> str:
    targets = ", ".join(f"{t.roi} {t.dose_gy:g} Gy" for t in report.case.prescription.targets)
    model = report.model.get("title") or report.model.get("id")
    return " · ".join(filter(None, [model, f"prescription {targets}"]))


def identity(report: Report) -> list[tuple[str, str]]:
    return list(report.identity.items())


def limit_of(report: Report) -> float:
    """Gy at the ends of the colour scale of differences."""
    return difference_limit(report.comparison.change if report.comparison else None)


def planes_note(report: Report) -> str:
    target, gray = report.case.prescription.targets[0].roi, report.case.prescription.highest_gy
    return f"Planes through the centre of {target}. Isodose lines in percent of {gray:g} Gy, the highest prescription."


def organ_note(report: Report) -> str:
    """Which organ the second pictures go through, and why."""
    if report.organ is None:
        return ""
    point = "the hottest point" if report.organ.hottest else "the centre"
    return f"Through {point} of {report.organ.roi} (blue): {report.organ.reason}"


def dvh_note(report: Report) -> str:
    lines = "Planned solid, predicted dashed" if report.comparison else "Predicted dose"
    if report.tabulated:
        lines += ", the planning system's own dotted"
    if report.bands:
        lines += ", bands: 90 % interval of the prediction"
    text = f"{lines}; a marker tells the structures apart without colour. Grey line: the highest prescription."
    return f"{text} {report.interval_words}".rstrip()


def structures_note(report: Report) -> str:
    text = (
        "Dose-volume metrics without bins: each voxel of a structure, divided to 1.5 mm (0.5 mm below 1 cc, joined to 3 mm"
        " above 1 litre), counts with its occupancy and the interval of trilinear dose it spans."
    )
    if report.intervals:
        text += f" Below a value its 90 % interval. {report.interval_words}"
    if report.comparison:
        text += f" Marked: predicted and planned differ by {NOTABLE_GY:g} Gy or more, worth a look."
    return text


def gamma_note(report: Report) -> str:
    if report.comparison is None:
        return ""
    found = report.comparison.gamma
    alike = report.comparison.similarity
    signal = report.comparison.signal_to_noise_db
    similarity = f" Structural similarity {number(alike, digits=3)}, peak signal to noise {number(signal)} dB." if alike else ""
    return (
        f"Gamma {found.description}: at or below 1 in {number(found.percent_within)} % of {found.evaluated.size} points, mean"
        f" {number(found.mean, digits=2)}. A description of how alike the two doses are; limits for measured doses do not apply"
        f" to a prediction.{similarity}"
    )


def isodoses_note() -> str:
    return (
        "Overlap of the volumes that receive at least a dose: 1 where they are the same. Distance: 95 % of either surface lies no"
        " farther from the other."
    )


def tabulated_note(report: Report) -> str:
    which = "planned" if report.comparison else "predicted"
    return (
        f"Metrics of the {which} dose by this program minus those read from the planning system's table. Planning systems differ"
        " among each other by as much as this: they sample structures and close their ends in different ways."
    )


def model_card(report: Report) -> list[tuple[str, str]]:
    return card_entries(report.model)


def card_entries(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a model card, what a reader of a report should know."""
    entries = [(CARD[key], _text(card[key])) for key in CARD if card.get(key)]
    return [*entries, *(("Measured", _measured(found)) for found in card.get("metrics", ()))]


def provenance(report: Report) -> Iterator[tuple[str, str]]:
    made = how_made(report.request, report.predicted.grid, report.timing_s, report.peak_rss_mb)
    if sources := {t.roi: t.source for t in report.case.prescription.targets if t.source}:
        yield "Prescription from", _text(sources)
    yield from made


def how_made(
    request: Mapping[str, Any], grid: Grid, timing_s: Mapping[str, float], peak_rss_mb: float
) -> Iterator[tuple[str, str]]:
    """Settings, dose grid, time and memory."""
    asked = {key: value for key, value in request_of(request).items() if value is not None}
    if asked:
        yield "Request", _text(asked)
    yield "Dose grid", _grid(grid)
    if timing_s:
        yield "Time", ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in timing_s.items())
    if peak_rss_mb:
        yield "Peak memory", f"{peak_rss_mb:.0f} MB"


def footer() -> str:
    return f"DosePredict {__version__}, Python {platform.python_version()}, numpy {np.__version__}."


def _grid(grid: Grid) -> str:
    size, spacing = ("×".join(f"{v:g}" for v in values) for values in (grid.size, grid.spacing))
    return f"{size} voxels of {spacing} mm"


def _measured(entry: dict[str, Any]) -> str:
    scores = ", ".join(f"{key.removesuffix('_gy').replace('_', ' ')} {v:g} Gy" for key, v in entry.items() if key.endswith("_gy"))
    return f"{scores}; {entry.get('data', '')}, n = {entry.get('n', '?')}"


def _text(value: Any) -> str:
    """A value of the model card, in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return "\n".join(map(str, value))
    return str(value)
