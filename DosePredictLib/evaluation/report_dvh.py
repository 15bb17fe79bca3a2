"""The dose-volume histograms of a report in one figure: planned solid, predicted dashed, the planning system's dotted."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.tabulated_dvh import TabulatedDvh
from .dvh import Dvh
from .report_nouns import number
from .structure_metrics import StructureRow
from .uncertainty import Band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OKABE_ITO = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00", "#000000")
MARKERS = "osD^vPX*<>"
MOST_CURVES = 12
POINTS = 400
PREDICTED, PLANNED, TABULATED = (0, (5, 2)), "-", (0, (1, 1.6))
BAND_OPACITY = 0.16


def draw_dvh(
    axes: Axes,
    rows: Sequence[StructureRow],
    prescription_gy: float | None = None,
    *,
    bands: Mapping[str, Band] | None = None,
    tabulated: Mapping[str, TabulatedDvh] | None = None,
) -> None:
    """Every structure has a colour, and a marker for black and white. bands, tabulated: by ROI name."""
    bands, tabulated = bands or {}, tabulated or {}
    shown = [row for row in rows if row.name != "External"][:MOST_CURVES]
    highest = _highest(shown, prescription_gy)
    for place, row in enumerate(shown):
        style = {"color": OKABE_ITO[place % 8], "marker": MARKERS[place % 10], "markersize": 5, "markevery": (7 + 5 * place, 60)}
        if band := bands.get(row.roi):
            axes.fill_betweenx(band.percent, band.low_gy, band.high_gy, color=style["color"], alpha=BAND_OPACITY, linewidth=0)
        if row.planned is not None:
            _curve(axes, row.planned, highest, linestyle=PLANNED, linewidth=1.6, **style)
        if table := tabulated.get(row.roi):
            axes.plot(table.dose_gy, table.percent, linestyle=TABULATED, linewidth=1.6, color="black")
        _curve(axes, row.predicted, highest, linestyle=PREDICTED, linewidth=1.9, label=row.roi, **style)
    if prescription_gy is not None:
        axes.axvline(prescription_gy, color="#888888", linewidth=0.8, linestyle=":")
        level = f"{number(prescription_gy)} Gy"
        axes.annotate(level, (prescription_gy, 103), ha="center", fontsize=8, color="#666666", annotation_clip=False)
    axes.set(xlim=(0, highest), ylim=(0, 102), xlabel="Dose (Gy)", ylabel="Volume (%)")
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def dvh_svg(rows: Sequence[StructureRow], prescription_gy: float | None = None, **options: Any) -> bytes:
    """The histograms as an SVG file, with a legend. options: those of ``draw_dvh``."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.4), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    draw_dvh(axes, rows, prescription_gy, **options)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=10, handlelength=3.2)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def _curve(axes: Axes, dvh: Dvh, highest: float, **style: Any) -> None:
    axes.plot(*dvh.curve(POINTS, highest_gy=highest), **style)


def _highest(rows: Sequence[StructureRow], prescription_gy: float | None) -> float:
    ends = [float(dvh.dose_gy[-1]) for row in rows for dvh in (row.predicted, row.planned) if dvh and len(dvh.dose_gy)]
    return 1.12 * max([prescription_gy or 0.0, *ends])
