"""The commissioning report as one self-contained HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from ..core import TARGET_SLOTS
from ..resources import resource
from .commissioning import Commissioning, Distribution
from .difference import NOTABLE_GY
from .markup import card, data_uri, listing, style, table
from .report_nouns import GOOD, LOOK, Card, Cell, Table, count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {True: "#0072b2", False: "#d55e00"}  # of targets and organs (Okabe and Ito)
DOMAIN = {"inside": "like training", "unusual": "unusual", "outside": "outside", "unknown": "not known"}
MOST_LISTED = 3
LABEL_GY = 1.5  # room for a label in the figure


def page(found: Commissioning) -> str:
    template = Template(resource("Report", "commissioning.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=style(),
        title=escape(f"Commissioning of {found.card.get('title') or found.card.get('id')}"),
        subtitle=escape(f"{count(len(found.results), 'case')}, predicted minus planned dose"),
        cards="".join(map(card, _cards(found))),
        boxes=data_uri(_box_plots(found.shown), "image/svg+xml"),
        metrics=table(_metrics_table(found.distributions)),
        cases=table(_cases_table(found)),
        skipped=_skipped(found),
        model=listing(_model(found)),
    )


def _cards(found: Commissioning) -> list[Card]:
    worst = max(found.results, key=lambda label: found.results[label].dose_error_gy)
    biased = sorted((d for d in found.shown if abs(d.values.mean()) >= NOTABLE_GY), key=lambda d: -abs(d.values.mean()))
    lines = tuple(f"{d.name} {number(float(d.values.mean()), sign=True)} Gy on average" for d in biased[:MOST_LISTED])
    outlying = tuple(f"{label}: {', '.join(words[:MOST_LISTED])}" for label, words in list(found.outliers.items())[:MOST_LISTED])
    dose = f"Largest {number(found.results[worst].dose_error_gy)} Gy ({worst})"
    time = f"Median time of a prediction {number(float(np.median(found.seconds)))} s"
    return [
        Card("Mean absolute error of the dose", _mean_and_spread(found.dose_errors), (dose, time)),
        Card("Mean absolute error of the metrics", _mean_and_spread(found.dvh_errors)),
        Card("Metrics off by 2 Gy or more on average", str(len(biased)), lines, LOOK if biased else GOOD),
        Card("Cases with outlying metrics", str(len(found.outliers)), outlying, LOOK if found.outliers else GOOD),
    ]


def _mean_and_spread(values: np.ndarray) -> str:
    spread = f" ± {number(float(np.nanstd(values, ddof=1)), digits=2)}" if len(values) > 1 else ""
    return f"{number(float(np.nanmean(values)), digits=2)}{spread} Gy"


def _metrics_table(distributions: Sequence[Distribution]) -> Table:
    heads = ("Structure", "Metric", "Cases", "Mean\nGy", "SD\nGy", "5 to 95 %\nGy", "Mean absolute\nGy", "Outliers")
    return Table(heads, tuple(map(_metric_row, distributions)), frozenset({0, 1, 7}))


def _metric_row(found: Distribution) -> tuple[Cell, ...]:
    values, mean = found.values, float(found.values.mean())
    low, high = np.percentile(values, (5, 95))
    outliers = ", ".join(f"{label} {number(error, sign=True)}" for label, error in found.outliers.items())
    return (
        Cell(found.structure),
        Cell(found.name.removeprefix(found.structure).strip()),
        Cell(str(len(values))),
        Cell(number(mean, sign=True), kind=LOOK if abs(mean) >= NOTABLE_GY else ""),
        Cell(number(float(np.std(values, ddof=1))) if len(values) > 1 else "–"),
        Cell(f"{number(float(low), sign=True)} to {number(float(high), sign=True)}"),
        Cell(number(float(np.abs(values).mean()))),
        Cell(outliers),
    )


def _cases_table(found: Commissioning) -> Table:
    heads = ("Case", "Domain", "Dose error\nGy", "Metric error\nGy", "Time\ns", "Outlying metrics")
    rows = tuple(
        (
            Cell(label),
            Cell(DOMAIN.get(result.domain, result.domain), kind="" if result.domain in ("inside", "unknown") else LOOK),
            Cell(number(result.dose_error_gy, digits=2)),
            Cell(number(result.dvh_error_gy, digits=2)),
            Cell(number(result.seconds)),
            Cell(", ".join(found.outliers.get(label, ()))),
        )
        for label, result in found.results.items()
    )
    return Table(heads, rows, frozenset({0, 1, 5}))


def _skipped(found: Commissioning) -> str:
    if not found.skipped:
        return ""
    entries = "".join(f"<li>{escape(label)}: {escape(reason)}</li>" for label, reason in found.skipped.items())
    return f"<h3>Not used</h3><ul>{entries}</ul>"


def _model(found: Commissioning) -> list[tuple[str, str]]:
    facts = {key: found.card.get(key) for key in ("title", "version", "weights_sha256", "training_data", "intended_use")}
    names = {"title": "Model", "version": "Version", "weights_sha256": "Weights, SHA-256"}
    known = [(names.get(key, key.replace("_", " ").capitalize()), str(value)) for key, value in facts.items() if value]
    return [*known, ("Sampling", ", ".join(f"{key} {value}" for key, value in found.request.items()))]


def _box_plots(distributions: Sequence[Distribution]) -> bytes:
    """Horizontal boxes from quartile to quartile, whiskers to the last value within Tukey's fences, outliers with their case."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.1 + 0.27 * len(distributions)), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for place, distribution in enumerate(distributions):
        _box(axes, distribution, -place)
    axes.axvline(0, color="black", linewidth=0.9)
    axes.axvspan(-NOTABLE_GY, NOTABLE_GY, color="#eef1f5", zorder=0)
    axes.set_yticks([-n for n in range(len(distributions))], [f"{d.name} ({len(d.errors)})" for d in distributions], fontsize=9)
    axes.set(xlabel=f"Predicted − planned (Gy); shaded: within {NOTABLE_GY:g} Gy", ylim=(0.7 - len(distributions), 0.7))
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def _box(axes: Axes, found: Distribution, height: float) -> None:
    colour, outliers = COLOURS[found.structure in TARGET_SLOTS], found.outliers
    usual = np.array([error for label, error in found.errors.items() if label not in outliers])
    low, middle, high = found.quartiles
    axes.plot([usual.min(), usual.max()], [height, height], color=colour, linewidth=1)
    axes.barh(height, high - low, left=low, height=0.55, color="white", edgecolor=colour, linewidth=1.4, zorder=2)
    axes.plot([middle, middle], [height - 0.27, height + 0.27], color=colour, linewidth=2.4, zorder=3)
    axes.plot(list(outliers.values()), [height] * len(outliers), linestyle="", marker="x", markersize=5, color=colour)
    for label, error in _apart(outliers).items():
        name = label.removeprefix("case ")
        axes.annotate(name, (error, height), (0, 4), textcoords="offset points", ha="center", fontsize=6.5, color="#5d6878")


def _apart(outliers: Mapping[str, float]) -> dict[str, float]:
    """Those whose labels do not cover each other, the farthest first; the table names all."""
    chosen: dict[str, float] = {}
    for label, error in outliers.items():
        if all(abs(error - other) >= LABEL_GY for other in chosen.values()):
            chosen[label] = error
    return chosen
