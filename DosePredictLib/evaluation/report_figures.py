"""The pictures of a report: dose on CT in three planes, and the dose-volume histogram. matplotlib without a display."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import Case, DoseGrid, Grid, Volume
from .interpolation import on_grid
from .structure_metrics import StructureRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ISODOSES = {
    20: "#30123b",
    40: "#3f3fa0",
    60: "#2a788e",
    80: "#35b779",
    95: "#d8e219",
    100: "#fca636",
    107: "#e8382e",
}  # % of prescription
OKABE_ITO = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00", "#000000")
MARKERS = "osD^vPX*<>"
TARGET_LINES = ("-", "--", ":")
PLANES = {"Transverse": 2, "Sagittal": 0, "Coronal": 1}  # the LPS axis each is perpendicular to
WINDOW_HU = (-160.0, 240.0)
MARGIN_MM, PIXEL_MM = 20.0, 1.0
SHOWN_PERCENT = 10.0  # of the prescription
TITLE_INCH = 0.3
MOST_CURVES = 12


@dataclass(frozen=True)
class Box:
    """The part of the patient that is shown: corners and the point its planes meet in, LPS mm."""

    low: np.ndarray
    high: np.ndarray
    centre: np.ndarray

    def plane(self, axis: int) -> Grid:
        """One layer of pixels perpendicular to an LPS axis, through the centre."""
        low, size = self.low.copy(), np.maximum(1, np.ceil((self.high - self.low) / PIXEL_MM)).astype(int)
        low[axis], size[axis] = self.centre[axis], 1
        (i, j, k), (x, y, z) = size.tolist(), low.tolist()
        return Grid((i, j, k), (PIXEL_MM, PIXEL_MM, PIXEL_MM), (x, y, z))


def box_around(case: Case, predicted: DoseGrid, occupancies: Mapping[str, Volume]) -> Box:
    """Where there is dose or a target, with a margin, within the CT; centred on the target of the highest prescription."""
    bright = predicted.gray > 0.2 * case.prescription.highest_gy
    shown = [_bounds(bright, predicted.grid)] if bright.any() else []
    targets = [occupancies[t.roi] for t in case.prescription.targets if t.roi in occupancies and occupancies[t.roi].array.any()]
    shown += [_bounds(o.array > 0.5 * o.array.max(), o.grid) for o in targets]
    scan = case.ct.grid.corners
    corners = np.concatenate(shown) if shown else scan
    low = np.maximum(corners.min(0) - MARGIN_MM, scan.min(0))
    high = np.maximum(np.minimum(corners.max(0) + MARGIN_MM, scan.max(0)), low + 10 * PIXEL_MM)
    centre = _centre(targets[0]) if targets else (low + high) / 2
    return Box(low, high, centre)


def _bounds(mask: np.ndarray, grid: Grid) -> np.ndarray:
    index = np.argwhere(mask)[:, ::-1]
    return grid.to_world(np.array([index.min(0), index.max(0)]))


def _centre(occupancy: Volume) -> np.ndarray:
    index = np.argwhere(occupancy.array > 0)
    weights = occupancy.array[tuple(index.T)]
    return occupancy.grid.to_world(np.average(index[:, ::-1], axis=0, weights=weights))


def plane_figures(
    case: Case, predicted: DoseGrid, change: Volume | None, occupancies: Mapping[str, Volume], box: Box
) -> dict[str, str]:
    """A picture, as data URI, for each plane: predicted dose, and where there is a reference planned dose and difference."""
    panels: dict[str, DoseGrid | Volume] = {"Predicted": predicted}
    if case.reference is not None and change is not None:
        panels |= {
            "Planned": case.reference,
            "Predicted \N{MINUS SIGN} planned": Volume(np.nan_to_num(change.array), change.grid),
        }
    outlines = {t.roi: occupancies[t.roi] for t in case.prescription.targets if t.roi in occupancies}
    limit = difference_limit(change)
    return {name: _plane(case, panels, outlines, box.plane(axis), axis, limit) for name, axis in PLANES.items()}


def difference_limit(change: Volume | None) -> float:
    """Gy at the ends of the colour scale of differences, a round number."""
    if change is None:
        return 0.0
    return float(np.clip(np.ceil(np.nanpercentile(np.abs(change.array), 99.9)), 3, 20))


def _plane(
    case: Case, panels: Mapping[str, DoseGrid | Volume], outlines: Mapping[str, Volume], grid: Grid, axis: int, limit: float
) -> str:
    from matplotlib.figure import Figure

    percent = 100 / case.prescription.highest_gy
    shown = _shown(_pixels(panels["Predicted"], grid, axis) * percent > SHOWN_PERCENT)
    ct = _pixels(case.ct, grid, axis, outside=-1000)[shown]
    wide = 11.0 if len(panels) > 1 else 5.6
    figure = Figure(figsize=(wide, wide / len(panels) * ct.shape[0] / ct.shape[1] + TITLE_INCH), facecolor="white")
    for place, (title, field) in enumerate(panels.items()):
        axes = figure.add_axes((place / len(panels), 0, 0.992 / len(panels), 1 - TITLE_INCH / figure.get_figheight()))
        axes.imshow(ct, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], origin="upper" if axis == 2 else "lower")
        pixels = _pixels(field, grid, axis)[shown]
        _dose_wash(axes, pixels * percent) if isinstance(field, DoseGrid) else _difference_wash(axes, pixels, limit)
        for line, outline in zip(TARGET_LINES * len(outlines), outlines.values(), strict=False):
            _outline(axes, _pixels(outline, grid, axis)[shown], line)
        _label(axes, axis)
        axes.set_title(title, fontsize=11, pad=4)
    return _data_uri(figure, "png", dpi=100)


def _shown(bright: np.ndarray) -> tuple[slice, slice]:
    """The part of a plane with dose, and a margin."""
    if not bright.any():
        return slice(None), slice(None)
    margin = round(MARGIN_MM / PIXEL_MM)
    lines = (np.flatnonzero(bright.any(axis=1 - side)) for side in (0, 1))
    rows, columns = (slice(max(0, int(line[0]) - margin), int(line[-1]) + margin + 1) for line in lines)
    return rows, columns


def _pixels(field: DoseGrid | Volume, grid: Grid, axis: int, *, outside: float = 0.0) -> np.ndarray:
    return np.squeeze(on_grid(field, grid, outside=outside), axis=2 - axis)


def _dose_wash(axes: Axes, percent: np.ndarray) -> None:
    levels, colours = list(ISODOSES), list(ISODOSES.values())
    if percent.max() > levels[0]:
        axes.contourf(percent, levels=[*levels, 1e6], colors=colours, alpha=0.38)
        axes.contour(percent, levels=levels, colors=colours, linewidths=1.3)


def _difference_wash(axes: Axes, gray: np.ndarray, limit: float) -> None:
    shown = np.clip(np.abs(gray) / (0.35 * limit), 0, 0.75)
    axes.imshow(gray, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=shown, origin="upper" if axes.yaxis_inverted() else "lower")


def _outline(axes: Axes, occupancy: np.ndarray, line: str) -> None:
    if occupancy.max() > 0.5:
        axes.contour(occupancy, levels=[0.5], colors="black", linewidths=2.2, alpha=0.6)
        axes.contour(occupancy, levels=[0.5], colors="white", linewidths=1.2, linestyles=line)


def _label(axes: Axes, axis: int) -> None:
    """Patient directions at the edges; LPS x grows to the patient's left, y to posterior, z to superior."""
    from matplotlib.patheffects import withStroke

    left, right, bottom, top = tuple({2: "RLPA", 0: "APIS", 1: "RLIS"}[axis])
    halo = [withStroke(linewidth=2.5, foreground="black")]
    for text, x, y in ((left, 0.03, 0.5), (right, 0.97, 0.5), (bottom, 0.5, 0.04), (top, 0.5, 0.96)):
        place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(x, y, text, color="white", fontsize=10, weight="bold", path_effects=halo, **place)
    axes.set_axis_off()


def dvh_figure(rows: Sequence[StructureRow], prescription_gy: float) -> str:
    """Planned solid, predicted dashed, as an SVG data URI; every structure has a colour and a marker, for black and white."""
    from matplotlib.figure import Figure

    shown = [row for row in rows if row.name != "External"][:MOST_CURVES]
    highest = 1.12 * max(
        [prescription_gy, *(d.dose_gy[-1] for r in shown for d in (r.predicted, r.planned) if d and len(d.dose_gy))]
    )
    figure = Figure(figsize=(11, 5.4), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for number, row in enumerate(shown):
        style: dict[str, Any] = {
            "color": OKABE_ITO[number % 8],
            "marker": MARKERS[number % 10],
            "markersize": 5,
            "markevery": (7 + 5 * number, 60),
        }
        if row.planned is not None:
            axes.plot(*row.planned.curve(400, highest_gy=highest), linestyle="-", linewidth=1.6, **style)
        axes.plot(*row.predicted.curve(400, highest_gy=highest), linestyle=(0, (5, 2)), linewidth=1.9, label=row.roi, **style)
    axes.set(xlim=(0, highest), ylim=(0, 102), xlabel="Dose (Gy)", ylabel="Volume (%)")
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axvline(prescription_gy, color="#888888", linewidth=0.8, linestyle=":")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=10, handlelength=3.2)
    return _data_uri(figure, "svg")


def _data_uri(figure: Figure, kind: str, **options: Any) -> str:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None, **options)
    mime = {"png": "image/png", "svg": "image/svg+xml"}[kind]
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"
