"""The pictures of a report: dose on CT in three planes through a point. matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import Case, DoseGrid, Grid, Volume
from .interpolation import on_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ISODOSES = {
    20: "#7a4fc4", 40: "#4a63d0", 60: "#2a788e", 80: "#35b779", 95: "#d8e219", 100: "#fca636", 107: "#e8382e",
}  # % of prescription; from dark to light, so that they differ for the colour-blind too  # fmt: skip
LABEL = {
    "fontsize": 6, "ha": "center", "va": "center", "clip_on": True,
    "bbox": {"boxstyle": "square,pad=0.12", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
}  # of an isodose line: readable in black and white  # fmt: skip
WASH = 0.38  # opacity
TARGET_LINES = ("-", "--", ":")
ORGAN_COLOUR = "#56b4e9"
PLANES = {"Transverse": 2, "Sagittal": 0, "Coronal": 1}  # the LPS axis each is perpendicular to
DIRECTIONS = {2: "RLPA", 0: "APIS", 1: "RLIS"}  # at the left, right, bottom and top edge
WINDOW_HU = (-160.0, 240.0)
MARGIN_MM, PIXEL_MM = 20.0, 1.0
SHOWN_PERCENT = 10.0  # of the prescription
TITLE_INCH, WIDTH_INCH, ALONE_INCH = 0.3, 11.0, 5.6
DIFFERENCE = "Predicted \N{MINUS SIGN} planned"


@dataclass(frozen=True)
class Box:
    """The part of the patient that is shown: corners, LPS mm."""

    low: np.ndarray
    high: np.ndarray

    def plane(self, axis: int, point: np.ndarray) -> Grid:
        """One layer of pixels perpendicular to an LPS axis, through a point."""
        low, size = self.low.copy(), np.maximum(1, np.ceil((self.high - self.low) / PIXEL_MM)).astype(int)
        low[axis], size[axis] = point[axis], 1
        (i, j, k), (x, y, z) = size.tolist(), low.tolist()
        return Grid((i, j, k), (PIXEL_MM, PIXEL_MM, PIXEL_MM), (x, y, z))


@dataclass(frozen=True)
class Picture:
    """One plane: predicted dose, and beside it planned dose and difference where there is a reference."""

    plane: str
    jpeg: bytes


def box_around(case: Case, predicted: DoseGrid, occupancies: Mapping[str, Volume]) -> Box:
    """Where there is dose or a target, with a margin, within the CT."""
    bright = predicted.gray > 0.2 * case.prescription.highest_gy
    shown = [_bounds(bright, predicted.grid)] if bright.any() else []
    targets = [occupancies[t.roi] for t in case.prescription.targets if t.roi in occupancies]
    shown += [_bounds(o.array > 0.5 * o.array.max(), o.grid) for o in targets if o.array.any()]
    scan = case.ct.grid.corners
    corners = np.concatenate(shown) if shown else scan
    low = np.maximum(corners.min(0) - MARGIN_MM, scan.min(0))
    return Box(low, np.maximum(np.minimum(corners.max(0) + MARGIN_MM, scan.max(0)), low + 10 * PIXEL_MM))


def _bounds(mask: np.ndarray, grid: Grid) -> np.ndarray:
    index = np.argwhere(mask)[:, ::-1]
    return grid.to_world(np.array([index.min(0), index.max(0)]))


def difference_limit(change: Volume | None) -> float:
    """Gy at the ends of the colour scale of differences, a round number."""
    if change is None:
        return 0.0
    return float(np.clip(np.ceil(np.nanpercentile(np.abs(change.array), 99.9)), 3, 20))


@dataclass(frozen=True, eq=False)
class View:
    """What the pictures of a case have in common."""

    case: Case
    panels: Mapping[str, DoseGrid | Volume]
    outlines: Mapping[str, Volume]  # of the targets
    box: Box
    limit_gy: float

    @classmethod
    def of(cls, case: Case, predicted: DoseGrid, change: Volume | None, occupancies: Mapping[str, Volume]) -> View:
        """Predicted dose, and where there is a reference planned dose and difference."""
        panels: dict[str, DoseGrid | Volume] = {"Predicted": predicted}
        if case.reference is not None and change is not None:
            panels |= {"Planned": case.reference, DIFFERENCE: Volume(np.nan_to_num(change.array), change.grid)}
        outlines = {t.roi: occupancies[t.roi] for t in case.prescription.targets if t.roi in occupancies}
        return cls(case, panels, outlines, box_around(case, predicted, occupancies), difference_limit(change))

    def through(self, point: np.ndarray, organ: Volume | None = None) -> tuple[Picture, ...]:
        """The three planes through a point, LPS mm; with the outline of an organ where one is given."""
        return tuple(Picture(name, self._plane(self.box.plane(axis, point), axis, organ)) for name, axis in PLANES.items())

    def _plane(self, grid: Grid, axis: int, organ: Volume | None) -> bytes:
        percent = 100 / self.case.prescription.highest_gy
        shown = _shown(_pixels(self.panels["Predicted"], grid, axis) * percent > SHOWN_PERCENT)
        ct = np.clip((_pixels(self.case.ct, grid, axis, outside=-1000)[shown] - WINDOW_HU[0]) / np.ptp(WINDOW_HU), 0, 1)
        lines = [_pixels(outline, grid, axis)[shown] for outline in self.outlines.values()]
        figure, columns = _columns(len(self.panels), ct.shape)
        for axes, (title, field) in zip(columns, self.panels.items(), strict=True):
            pixels = _pixels(field, grid, axis)[shown]
            if isinstance(field, DoseGrid):
                _show(axes, _washed(ct, percent * pixels), axis)
                _isodoses(axes, percent * pixels)
            else:
                _show(axes, _tinted(ct, pixels, self.limit_gy), axis)
            for line, outline in zip(TARGET_LINES * len(lines), lines, strict=False):
                _outline(axes, outline, "white", line)
            if organ is not None:
                _outline(axes, _pixels(organ, grid, axis)[shown], ORGAN_COLOUR, "-")
            _label(axes, axis)
            axes.text(0.5, 1.0, title, fontsize=11, ha="center", va="bottom", transform=axes.transAxes)
        return jpeg_of(figure)


def _columns(count: int, shape: Sequence[int]) -> tuple[Figure, list[Axes]]:
    """Axes beside each other, of the shape of an image."""
    from matplotlib.figure import Figure

    wide = WIDTH_INCH if count > 1 else ALONE_INCH
    figure = Figure(figsize=(wide, wide / count * shape[0] / shape[1] + TITLE_INCH), facecolor="white")
    height = 1 - TITLE_INCH / figure.get_figheight()
    columns = [figure.add_axes((n / count, 0, 0.992 / count, height)) for n in range(count)]
    for axes in columns:
        axes.set_axis_off()
    return figure, columns


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


def _washed(ct: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """RGB of the CT under the colours of the isodoses; ``ct`` from 0 (black) to 1."""
    from matplotlib.colors import to_rgba_array

    colours = np.vstack([np.zeros(4), to_rgba_array(list(ISODOSES.values()), WASH)])
    return _blended(ct, colours[np.digitize(percent, list(ISODOSES))])


def _tinted(ct: np.ndarray, gray: np.ndarray, limit: float) -> np.ndarray:
    """RGB of the CT under a difference, the more opaque the larger it is."""
    from matplotlib import colormaps

    colours = colormaps["RdBu_r"](0.5 + np.clip(gray / limit, -1, 1) / 2)
    colours[..., 3] = np.clip(np.abs(gray) / (0.35 * limit), 0, 0.75)
    return _blended(ct, colours)


def _blended(ct: np.ndarray, colours: np.ndarray) -> np.ndarray:
    opacity = colours[..., 3:]
    return ct[..., None] * (1 - opacity) + colours[..., :3] * opacity


def _show(axes: Axes, rgb: np.ndarray, axis: int) -> None:
    axes.imshow(rgb, origin="upper" if axis == 2 else "lower", interpolation="bilinear")


def _isodoses(axes: Axes, percent: np.ndarray) -> None:
    for place, (level, colour) in enumerate(ISODOSES.items()):
        lines = _lines(axes, percent, level, colors=colour, linewidths=1.3)
        if lines:
            longest = max(lines, key=len)
            x, y = longest[int((0.1 + 0.13 * place) * len(longest))]  # one below the other, not in a heap
            axes.text(x, y, str(level), **LABEL)


def _outline(axes: Axes, occupancy: np.ndarray, colour: str, line: str) -> None:
    _lines(axes, occupancy, 0.5, colors="black", linewidths=2.2, alpha=0.6)
    _lines(axes, occupancy, 0.5, colors=colour, linewidths=1.2, linestyles=line)


def _lines(axes: Axes, values: np.ndarray, level: float, **style: Any) -> list[np.ndarray]:
    """Draw and return the contour lines, each (n, 2), at one level; several times faster than those of matplotlib's axes."""
    from contourpy import contour_generator
    from matplotlib.collections import LineCollection

    lines = contour_generator(z=values).lines(level) if values.max() > level else []
    axes.add_collection(LineCollection(lines, **style), autolim=False)
    return lines


def _label(axes: Axes, axis: int) -> None:
    """Patient directions at the edges; LPS x grows to the patient's left, y to posterior, z to superior."""
    from matplotlib.patheffects import withStroke

    left, right, bottom, top = tuple(DIRECTIONS[axis])
    halo = [withStroke(linewidth=2.5, foreground="black")]
    for text, x, y in ((left, 0.03, 0.5), (right, 0.97, 0.5), (bottom, 0.5, 0.04), (top, 0.5, 0.96)):
        place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(x, y, text, color="white", fontsize=10, weight="bold", path_effects=halo, **place)


def jpeg_of(figure: Figure) -> bytes:
    """The figure as a JPEG file: a quarter of a PNG's size and time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_jpg(buffer, pil_kwargs={"quality": 90, "subsampling": 0})
    return buffer.getvalue()
