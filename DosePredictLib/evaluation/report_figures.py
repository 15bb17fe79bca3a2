"""The pictures of a report: dose on CT in three planes through a point. matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
LABEL: dict[str, Any] = {
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
GAP = 2  # pixels between panels
DIFFERENCE = "Predicted \N{MINUS SIGN} planned"

Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""CT from 0 (black) to 1, and the values of a field on the same pixels -> RGB."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One of the pictures beside each other. isodoses: whether it has lines."""

    title: str
    field: DoseGrid | Volume
    paint: Paint
    isodoses: bool = False


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
    """One plane: its panels beside each other."""

    plane: str
    jpeg: bytes


def box_around(predicted: DoseGrid, full_gy: float, targets: Iterable[Volume], scan: Grid) -> Box:
    """Where there is dose or a target, with a margin, within the scan."""
    bright = predicted.gray > 0.2 * full_gy
    shown = [_bounds(bright, predicted.grid)] if bright.any() else []
    shown += [_bounds(o.array > 0.5 * o.array.max(), o.grid) for o in targets if o.array.any()]
    corners = np.concatenate(shown) if shown else scan.corners
    low = np.maximum(corners.min(0) - MARGIN_MM, scan.corners.min(0))
    return Box(low, np.maximum(np.minimum(corners.max(0) + MARGIN_MM, scan.corners.max(0)), low + 10 * PIXEL_MM))


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
    """What the pictures of a case have in common.

    ct: None shows the dose on black. full_gy: 100 % of the isodoses. panels: the first is of the predicted dose. outlines: of
    the targets. colours: of the isodoses, by percent.
    """

    ct: Volume | None
    full_gy: float
    panels: Sequence[Panel]
    box: Box
    outlines: Mapping[str, Volume] = field(default_factory=dict)
    colours: Mapping[int, str] = field(default_factory=lambda: ISODOSES)

    @classmethod
    def of(cls, case: Case, predicted: DoseGrid, change: Volume | None, occupancies: Mapping[str, Volume]) -> View:
        """Predicted dose, and where there is a reference planned dose and difference."""
        full_gy, limit = case.prescription.highest_gy, difference_limit(change)
        wash = dose_wash(full_gy, ISODOSES)
        panels = [Panel("Predicted", predicted, wash, isodoses=True)]
        if case.reference is not None and change is not None:
            panels += [
                Panel("Planned", case.reference, wash, isodoses=True),
                Panel(DIFFERENCE, Volume(np.nan_to_num(change.array), change.grid), difference_tint(limit)),
            ]
        targets = {t.roi: occupancies[t.roi] for t in case.prescription.targets if t.roi in occupancies}
        return cls(case.ct, full_gy, panels, box_around(predicted, full_gy, targets.values(), case.ct.grid), targets)

    def through(self, point: np.ndarray, organ: Volume | None = None) -> tuple[Picture, ...]:
        """The three planes through a point, LPS mm; with the outline of an organ where one is given."""
        return tuple(Picture(name, self._plane(self.box.plane(axis, point), axis, organ)) for name, axis in PLANES.items())

    def _plane(self, grid: Grid, axis: int, organ: Volume | None) -> bytes:
        percent = 100 / self.full_gy
        shown = _shown(_pixels(self.panels[0].field, grid, axis) * percent > SHOWN_PERCENT)
        ct = self._background(grid, axis)[shown]
        fields = [_pixels(panel.field, grid, axis)[shown] for panel in self.panels]
        parts = [panel.paint(ct, pixels) for panel, pixels in zip(self.panels, fields, strict=True)]
        figure, axes, shifts = _canvas(parts, upwards=axis != 2)
        for panel, pixels, shift in zip(self.panels, fields, shifts, strict=True):
            if panel.isodoses:
                _isodoses(axes, percent * pixels, shift, self.colours)
            _label(axes, axis, panel.title, shift, ct.shape)
        outlines = [(outline, "white", line) for line, outline in zip(TARGET_LINES * 9, self.outlines.values(), strict=False)]
        outlines += [(organ, ORGAN_COLOUR, "-")] if organ is not None else []
        _outlines(axes, [(_pixels(o, grid, axis)[shown], colour, line) for o, colour, line in outlines], shifts)
        return jpeg_of(figure)

    def _background(self, grid: Grid, axis: int) -> np.ndarray:
        """The CT from 0 (black) to 1."""
        if self.ct is None:
            return np.zeros(_pixels(self.panels[0].field, grid, axis).shape)
        return np.clip((_pixels(self.ct, grid, axis, outside=-1000) - WINDOW_HU[0]) / np.ptp(WINDOW_HU), 0, 1)


def _canvas(parts: Sequence[np.ndarray], *, upwards: bool) -> tuple[Figure, Axes, list[int]]:
    """RGB images of one size beside each other on axes whose unit is a pixel, and where in x each begins."""
    from matplotlib.figure import Figure

    high, wide = parts[0].shape[:2]
    gap = np.ones((high, GAP, 3))
    whole = np.hstack([piece for part in parts for piece in (part, gap)][:-1])
    inches = WIDTH_INCH if len(parts) > 1 else ALONE_INCH
    picture = inches * high / whole.shape[1]
    figure = Figure(figsize=(inches, picture + TITLE_INCH), facecolor="white")
    axes = figure.add_axes((0, 0, 1, picture / (picture + TITLE_INCH)))
    axes.set_axis_off()
    image = (255 * whole + 0.5).astype(np.uint8)
    axes.imshow(image, origin="lower" if upwards else "upper", interpolation="bilinear", aspect="auto")
    return figure, axes, [place * (wide + GAP) for place in range(len(parts))]


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


def dose_wash(full_gy: float, colours: Mapping[int, str]) -> Paint:
    """The CT under the colours of the isodoses, by percent of ``full_gy``."""
    from matplotlib.colors import to_rgba_array

    table = np.vstack([np.zeros(4), to_rgba_array(list(colours.values()), WASH)])
    return lambda ct, gray: blended(ct, table[np.digitize(100 / full_gy * gray, list(colours))])


def difference_tint(limit_gy: float, colour_map: str = "RdBu_r") -> Paint:
    """The CT under a difference, the more opaque the larger it is."""
    from matplotlib import colormaps

    def paint(ct: np.ndarray, gray: np.ndarray) -> np.ndarray:
        colours = colormaps[colour_map](0.5 + np.clip(gray / limit_gy, -1, 1) / 2)
        colours[..., 3] = np.clip(np.abs(gray) / (0.35 * limit_gy), 0, 0.75)
        return blended(ct, colours)

    return paint


def blended(ct: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """RGB of a CT from 0 (black) to 1 under RGBA colours."""
    opacity = colours[..., 3:]
    return ct[..., None] * (1 - opacity) + colours[..., :3] * opacity


def _isodoses(axes: Axes, percent: np.ndarray, shift: int, colours: Mapping[int, str]) -> None:
    """Lines of all levels, each with its number."""
    found = _lines(percent, list(colours), shift)
    for place, (level, lines) in enumerate(zip(colours, found, strict=True)):
        if lines:
            longest = max(lines, key=len)
            x, y = longest[int((0.1 + 0.13 * place) * len(longest))]  # one below the other, not in a heap
            axes.text(x, y, str(level), **LABEL)
    each = [colour for colour, lines in zip(colours.values(), found, strict=True) for _ in lines]
    _draw(axes, [line for lines in found for line in lines], colors=each, linewidths=1.3)


def _outlines(axes: Axes, outlines: Sequence[tuple[np.ndarray, str, str]], shifts: Sequence[int]) -> None:
    """Occupancy, colour and line style of each structure; light lines with a dark edge, on every part."""
    found = [(line, colour, style) for o, colour, style in outlines for line in _lines(o, [0.5], 0)[0]]
    moved = [(line + np.array([shift, 0]), colour, style) for shift in shifts for line, colour, style in found]
    _draw(axes, [line for line, _, _ in moved], colors="black", linewidths=2.2, alpha=0.6)
    colours, styles = [colour for _, colour, _ in moved], [style for _, _, style in moved]
    _draw(axes, [line for line, _, _ in moved], colors=colours, linewidths=1.2, linestyles=styles)


def _lines(values: np.ndarray, levels: Sequence[float], shift: int) -> list[list[np.ndarray]]:
    """The contour lines of pixels at each level, each (n, 2), moved in x; much faster than those of matplotlib."""
    from contourpy import contour_generator

    generator = contour_generator(z=values)
    return [[np.asarray(line) + np.array([shift, 0]) for line in generator.lines(level)] for level in levels]


def _draw(axes: Axes, lines: Sequence[np.ndarray], **style: Any) -> None:
    from matplotlib.collections import LineCollection

    if lines:
        axes.add_collection(LineCollection(lines, **style), autolim=False)


def _label(axes: Axes, axis: int, title: str, shift: int, shape: tuple[int, ...]) -> None:
    """The title above, and patient directions at the edges; LPS x grows to the patient's left, y to posterior, z to superior."""
    from matplotlib.patheffects import withStroke

    left, right, bottom, top = tuple(DIRECTIONS[axis])
    halo = [withStroke(linewidth=2.5, foreground="black")]
    whole = axes.get_xlim()[1] + 0.5  # pixels
    for text, x, y in ((left, 0.03, 0.5), (right, 0.97, 0.5), (bottom, 0.5, 0.04), (top, 0.5, 0.96), (title, 0.5, 1.0)):
        place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        bright = {"color": "white", "fontsize": 10, "weight": "bold", "path_effects": halo}
        style = bright if text != title else {"fontsize": 11, "va": "bottom"}
        axes.text((shift + x * shape[1]) / whole, y, text, **{**place, **style})


def jpeg_of(figure: Figure) -> bytes:
    """The figure as a JPEG file: a quarter of a PNG's size and time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_jpg(buffer, pil_kwargs={"quality": 90, "subsampling": 0})
    return buffer.getvalue()
