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
DOSES, GAP = ("Predicted", "Planned"), 2  # panels with isodoses, pixels between panels
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
        fields = [_pixels(field, grid, axis)[shown] for field in self.panels.values()]
        doses = [percent * pixels for pixels in fields[: len(DOSES)]]
        parts = [*(_washed(ct, dose) for dose in doses), *(_tinted(ct, change, self.limit_gy) for change in fields[len(DOSES) :])]
        figure, axes, shifts = _canvas(parts, upwards=axis != 2)
        for dose, shift in zip(doses, shifts, strict=False):
            _isodoses(axes, dose, shift)
        outlines = [(outline, "white", line) for line, outline in zip(TARGET_LINES * 9, self.outlines.values(), strict=False)]
        outlines += [(organ, ORGAN_COLOUR, "-")] if organ is not None else []
        _outlines(axes, [(_pixels(o, grid, axis)[shown], colour, line) for o, colour, line in outlines], shifts)
        for title, shift in zip(self.panels, shifts, strict=True):
            _label(axes, axis, title, shift, ct.shape)
        return jpeg_of(figure)


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


def _isodoses(axes: Axes, percent: np.ndarray, shift: int) -> None:
    """Lines of all levels, each with its number."""
    found = _lines(percent, list(ISODOSES), shift)
    for place, (level, lines) in enumerate(zip(ISODOSES, found, strict=True)):
        if lines:
            longest = max(lines, key=len)
            x, y = longest[int((0.1 + 0.13 * place) * len(longest))]  # one below the other, not in a heap
            axes.text(x, y, str(level), **LABEL)
    colours = [colour for colour, lines in zip(ISODOSES.values(), found, strict=True) for _ in lines]
    _draw(axes, [line for lines in found for line in lines], colors=colours, linewidths=1.3)


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
