"""The sentences of a report of predicted measured dose, the same on the page and in the PDF."""

from __future__ import annotations

from collections.abc import Iterator

from .measured_figures import LIMIT_PERCENT, limit_gy
from .measured_report import ACTION_PERCENT, TOLERANCE_PERCENT, MeasuredReport, kind_of, worst_of
from .report_nouns import GOOD, LOOK, Card, count, number
from .report_words import card_entries, how_made

MOST_LISTED = 3
SIMULATED = "(simulated measurements)"
NO_MEASUREMENT = (
    "This is no measurement. A neural network estimated from the planned dose what a measurement-based reconstruction would show."
    " It must not replace pre-treatment verification, nor be used to approve, reject or change a treatment."
)


def title(report: MeasuredReport) -> str:
    return f"Predicted measured dose {SIMULATED}" if report.simulated else "Predicted measured dose"


def subtitle(report: MeasuredReport) -> str:
    model = report.model.get("title") or report.model.get("id") or ""
    return f"{model} · not a measurement, not a planning prediction"


def warning(report: MeasuredReport) -> str:
    if not report.simulated:
        return NO_MEASUREMENT
    pairs = report.model["pairs"]
    total = pairs["simulated"] + pairs.get("measured", 0)
    return (
        f"{NO_MEASUREMENT} The model has learned from simulated measurements ({pairs['simulated']} of {total} pairs): the"
        " differences shown here are those of the simulation, not of any machine, beam model or detector."
    )


def cards(report: MeasuredReport) -> tuple[Card, ...]:
    """What to know first, in the order it is read."""
    found = (_gamma(report), _learned(report), _likeness(report), _checks(report), _structures(report), _uncertainty(report))
    return tuple(card for card in found if card is not None)


def _gamma(report: MeasuredReport) -> Card:
    found = report.gamma
    heading = f"Gamma {found.dose_percent:g} % / {found.distance_mm:g} mm, planned against predicted measured"
    limits = f"tolerance {TOLERANCE_PERCENT:g} %, action limit {ACTION_PERCENT:g} %"
    lines = (f"{report.verdict.capitalize()} of TG-218 ({limits})", "If the prediction is right; the plan must still be measured")
    return Card(heading, f"{number(found.percent_within)} % of the points pass", lines, kind_of(report.verdict))


def _learned(report: MeasuredReport) -> Card | None:
    if not report.simulated:
        return None
    lines = ("To say anything about your plans it must learn from your own measurements",)
    return Card("What the model knows", "Simulated measurements", lines, LOOK)


def _likeness(report: MeasuredReport) -> Card:
    found, mean = report.likeness, report.errors[0].mean_gy
    lines = (
        f"Structural similarity {number(found.ssim, digits=3)}",
        f"mean difference {number(mean, sign=True, digits=2)} Gy ({report.errors[0].mask})",
        _where(report),
    )
    errors = f"RMSE {number(found.rmse_percent, digits=2)} %, MAE {number(found.mae_percent, digits=2)} %"
    return Card("How far the plan is from it", f"{errors} of the maximum", lines)


def _where(report: MeasuredReport) -> str:
    """The voxel with the largest difference, so that it can be looked up."""
    place = worst_of(report.change, report.case.planned)
    i, j, k = report.change.grid.to_index(place).round().astype(int)
    shown = ", ".join(number(float(mm), digits=0) for mm in place)
    return f"largest {number(float(report.change.array[k, j, i]), sign=True)} Gy, at ({shown}) mm in DICOM coordinates"


def _checks(report: MeasuredReport) -> Card:
    failed = [check.text for check in report.checks if not check.passed]
    title = f"{len(failed)} of {count(len(report.checks), 'check')} worth a look" if failed else "All checks passed"
    lines = (*failed, *report.warnings)[:MOST_LISTED]
    return Card("Checks of the plan's dose", title, lines, LOOK if lines else GOOD)


def _structures(report: MeasuredReport) -> Card | None:
    if not report.rows:
        return Card("Structures", "None were given", ("With an RTSTRUCT the report has histograms and metrics",))
    changes = {row.roi: row.differences["dmean_gy"] for row in report.rows if not row.predicted.refusal}
    largest = sorted(changes, key=lambda roi: -abs(changes[roi]))[:MOST_LISTED]
    lines = tuple(f"{roi}: mean dose {number(changes[roi], sign=True, digits=2)} Gy" for roi in largest)
    return Card("Structures, predicted measured − planned", "Largest changes of the mean dose", lines)


def _uncertainty(report: MeasuredReport) -> Card | None:
    if report.uncertainty is None:
        return None
    spread, planned = report.uncertainty.spread.array, report.case.planned.gray
    typical = float(spread[planned >= 0.5 * planned.max()].mean())
    title = f"± {number(typical, digits=2)} Gy from sample to sample"
    return Card("How sure is the prediction?", title, ("where at least half of the maximum is planned", report.uncertainty.words))


def planes_note(report: MeasuredReport) -> str:
    highest = float(report.case.planned.gray.max())
    blank = "" if report.case.ct else " No CT was given: the dose is shown on black."
    return f"Planes through the middle of the dose. Isodose lines in percent of {highest:.1f} Gy, the planned maximum.{blank}"


def worst_note(report: MeasuredReport) -> str:
    return f"Through the largest difference: {_where(report).removeprefix('largest ')}"


def difference_ends(report: MeasuredReport) -> tuple[str, str]:
    """Of the colour scale, in Gy."""
    low, high = (number(sign * limit_gy(report.case.planned), sign=True) for sign in (-1, 1))
    return f"{low} Gy", f"{high} Gy ({LIMIT_PERCENT} % of the maximum)"


def gamma_note(report: MeasuredReport) -> str:
    found, alike = report.gamma, report.likeness
    return (
        f"Gamma {found.description}, at the points of the predicted measured dose and searched in the planned one, as TG-218 does"
        f" with measurements: at or below 1 in {number(found.percent_within)} % of {found.evaluated.size} points, mean"
        f" {number(found.mean, digits=2)}. That is {report.verdict} (tolerance {TOLERANCE_PERCENT:g} %, action limit"
        f" {ACTION_PERCENT:g} %). SSIM {number(alike.ssim, digits=3)}, RMSE {number(alike.rmse_percent, digits=2)}"
        f" % and MAE {number(alike.mae_percent, digits=2)} % of the maximum, over voxels with more than 1 % of it."
    )


def dvh_note(report: MeasuredReport) -> str:
    bands = f", bands: 90 % interval. {report.uncertainty.words}" if report.uncertainty and report.uncertainty.bands else "."
    return f"Planned solid, predicted measured dashed; a marker tells the structures apart without colour{bands}"


def structures_note() -> str:
    return "Predicted measured dose; below it planned, and predicted measured minus planned. Marked: 2 Gy or more apart."


def model_card(report: MeasuredReport) -> list[tuple[str, str]]:
    return card_entries(report.model)


def provenance(report: MeasuredReport) -> Iterator[tuple[str, str]]:
    yield from how_made(report.request, report.predicted.grid, report.timing_s, report.peak_rss_mb)
