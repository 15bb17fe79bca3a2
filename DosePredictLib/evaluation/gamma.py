"""The gamma index of two doses in three dimensions (Low et al. 1998, Med Phys 25:656).

    gamma(r) = min over r' of sqrt( |r' - r|^2 / distance^2 + (D_evaluated(r') - D_reference(r))^2 / dose^2 )

The evaluated dose is interpolated trilinearly and searched continuously: its cells, divided where they are large, are boxes, and
in each box around r that could hold a better value the minimum is found for a dose linear in the box, then again from there.
For a predicted dose gamma describes; the limits of AAPM TG-218 are for measured doses and are not applied here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core import DoseGrid, Volume
from .interpolation import trilinear, trilinear_gradient

BOX = 1.5  # longest side of a box, in distance criteria
REFINEMENTS = 3
NEARLY = 1e-6  # voxels
AT_ONCE = 250_000  # pairs of a point and a box looked at in one go; bounds the memory


@dataclass(frozen=True, eq=False)
class Gamma:
    """Gamma on the reference's grid, NaN where it was not evaluated, capped at ``cap``."""

    volume: Volume
    dose_percent: float
    distance_mm: float
    local: bool
    threshold_percent: float
    normalisation_gy: float
    cap: float

    @property
    def evaluated(self) -> np.ndarray:
        return self.volume.array[np.isfinite(self.volume.array)]

    @property
    def percent_within(self) -> float:
        """Percent of the evaluated points with gamma <= 1; NaN where there are none."""
        return 100 * float(np.mean(self.evaluated <= 1)) if self.evaluated.size else float("nan")

    @property
    def mean(self) -> float:
        return float(np.mean(self.evaluated, dtype=float)) if self.evaluated.size else float("nan")

    @property
    def description(self) -> str:
        """The criteria in one phrase."""
        kind = "local" if self.local else f"global, 100 % = {self.normalisation_gy:.2f} Gy"
        return f"{self.dose_percent:g} % / {self.distance_mm:g} mm, {kind}, above {self.threshold_percent:g} %"


class _Boxes(NamedTuple):
    """The evaluated dose in boxes that each lie in one cell; positions in mm along the axes of its grid."""

    gray: np.ndarray
    spacing: np.ndarray
    per_cell: np.ndarray  # boxes in a cell, along i, j, k
    lowest: np.ndarray  # dose in each cell, [k, j, i]
    highest: np.ndarray
    offsets: np.ndarray  # (m, 3) boxes, nearest first
    distance_mm: float

    @property
    def side(self) -> np.ndarray:
        return self.spacing / self.per_cell


class _Points(NamedTuple):
    """Reference points: position in mm along the axes of the evaluated grid, dose, and the dose criterion in Gy."""

    position: np.ndarray
    gray: np.ndarray
    tolerance: np.ndarray

    def at(self, index: np.ndarray) -> _Points:
        return _Points(*(values[index] for values in self))


def gamma(
    evaluated: DoseGrid,
    reference: DoseGrid,
    *,
    dose_percent: float = 3.0,
    distance_mm: float = 2.0,
    local: bool = False,
    threshold_percent: float = 10.0,
    normalisation_gy: float | None = None,
    mask: np.ndarray | None = None,
    cap: float = 2.0,
) -> Gamma:
    """Gamma at the voxels of ``reference``; the grids need nothing in common.

    dose_percent: of ``normalisation_gy`` (the reference's maximum unless given), or of the dose at the point when ``local``.
    Points with less than ``threshold_percent`` of the normalisation, or outside the boolean ``mask``, are left out.
    """
    highest = normalisation_gy or float(reference.gray.max())
    wanted = (reference.gray >= threshold_percent / 100 * highest) & (reference.gray > 0)
    if mask is not None:
        wanted &= mask
    planned = reference.gray[wanted].astype(float)
    tolerance = dose_percent / 100 * (planned if local else np.full_like(planned, highest))
    position = evaluated.grid.to_index(reference.grid.to_world(np.argwhere(wanted)[:, ::-1])) * evaluated.grid.spacing
    result = np.full(reference.gray.shape, np.nan, np.float32)
    result[wanted] = _search(_boxes(evaluated, distance_mm, cap), _Points(position, planned, tolerance), cap)
    return Gamma(Volume(result, reference.grid), dose_percent, distance_mm, local, threshold_percent, highest, cap)


def _boxes(evaluated: DoseGrid, distance_mm: float, cap: float) -> _Boxes:
    spacing = np.array(evaluated.grid.spacing)
    per_cell = np.ceil(spacing / (BOX * distance_mm)).astype(int)
    side = spacing / per_cell
    reach = np.ceil(cap * distance_mm / side).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), -1).reshape(-1, 3)
    order = np.lexsort((np.linalg.norm(offsets * side, axis=1), _apart(offsets, side)))
    offsets = offsets[order[_apart(offsets[order], side) < cap * distance_mm]]
    gray = evaluated.gray.astype(float)
    return _Boxes(gray, spacing, per_cell, _of_cells(np.minimum, gray), _of_cells(np.maximum, gray), offsets, distance_mm)


def _apart(offsets: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Least distance in mm between a point in the middle box and one in the box at each offset."""
    return np.linalg.norm(np.maximum(np.abs(offsets) - 1, 0) * side, axis=-1)


def _of_cells(extreme: np.ufunc, values: np.ndarray) -> np.ndarray:
    """The extreme of the eight corners of each cell."""
    for axis in range(3):
        if values.shape[axis] > 1:
            values = extreme(*(np.take(values, np.arange(values.shape[axis] - 1) + side, axis) for side in (0, 1)))
    return values


def _search(boxes: _Boxes, points: _Points, cap: float) -> np.ndarray:
    """Gamma of each point: boxes are tried in batches, nearest first, where they could better what was found before."""
    best = np.minimum(_without_moving(boxes, points), cap**2)
    home = np.floor(points.position / boxes.side).astype(int)
    first = 0
    while first < len(boxes.offsets):
        batch = boxes.offsets[first : first + max(1, first)]
        active = np.flatnonzero(best > (_apart(batch[0], boxes.side) / boxes.distance_mm) ** 2)
        for part in np.array_split(active, 1 + len(active) * len(batch) // AT_ONCE):
            _improve(best, part, boxes, points.at(part), home[part, None] + batch)
        first += len(batch)
    return np.sqrt(best)


def _without_moving(boxes: _Boxes, points: _Points) -> np.ndarray:
    """Gamma squared by the dose difference at each point alone; infinite outside the evaluated grid."""
    index = points.position / boxes.spacing
    inside = ((index > -NEARLY) & (index < np.array(boxes.gray.shape)[::-1] - 1 + NEARLY)).all(-1)
    return np.where(inside, ((trilinear(boxes.gray, index) - points.gray) / points.tolerance) ** 2, np.inf)


def _improve(best: np.ndarray, part: np.ndarray, boxes: _Boxes, points: _Points, box: np.ndarray) -> None:
    """Lower ``best`` at ``part``, (n,), with the (n, m, 3) boxes of its points that could do so."""
    apart = np.zeros(box.shape[:2])
    for axis in range(3):
        ahead = box[..., axis] * boxes.side[axis] - points.position[:, axis, None]
        apart += np.maximum(np.maximum(ahead, -ahead - boxes.side[axis]), 0) ** 2
    bound = apart / boxes.distance_mm**2
    row, column = np.nonzero(bound < best[part, None])
    pair_box, pair_point = box[row, column], points.at(row)
    promising = bound[row, column] + _lacking(boxes, pair_point, pair_box) ** 2 < best[part[row]]
    if promising.any():
        found = _least_squared(boxes, pair_point.at(promising), pair_box[promising])
        np.minimum.at(best, part[row[promising]], found)


def _lacking(boxes: _Boxes, points: _Points, box: np.ndarray) -> np.ndarray:
    """How far, in dose criteria, each point is from any dose in the cell of its box; infinite outside the grid."""
    cell = box // boxes.per_cell
    exists = ((cell >= 0) & (cell < boxes.lowest.shape[::-1])).all(-1)
    i, j, k = np.where(exists, cell.T, 0)
    gap = np.maximum(boxes.lowest[k, j, i] - points.gray, points.gray - boxes.highest[k, j, i])
    return np.where(exists, np.maximum(gap, 0) / points.tolerance, np.inf)


def _least_squared(boxes: _Boxes, points: _Points, box: np.ndarray) -> np.ndarray:
    """Gamma squared at the best position found in each point's box, by the dose linear at the position before."""
    lower = box * boxes.side - points.position
    shift, squared_mm = lower + boxes.side / 2, boxes.distance_mm**2
    least = np.full(len(box), np.inf)
    for _ in range(REFINEMENTS):
        gray, gradient = trilinear_gradient(boxes.gray, (points.position + shift) / boxes.spacing)
        lacking = (gray - points.gray) / points.tolerance
        least = np.minimum(least, lacking**2 + (shift**2).sum(-1) / squared_mm)
        slope = gradient / boxes.spacing / points.tolerance[:, None]
        shift = _minimum(lacking - (slope * shift).sum(-1), slope, squared_mm, lower, lower + boxes.side)
    lacking = (trilinear(boxes.gray, (points.position + shift) / boxes.spacing) - points.gray) / points.tolerance
    return np.minimum(least, lacking**2 + (shift**2).sum(-1) / squared_mm)


def _minimum(constant: np.ndarray, slope: np.ndarray, squared_mm: float, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Where (constant + slope.s)^2 + |s|^2 / squared_mm is least within bounds, (n, 3).

    There s = clip(-residual squared_mm slope) with residual = constant + slope.s: one equation for the residual, falling and
    linear between the residuals at which an axis meets a bound. Those two it lies between say which axes are free.
    """
    pull = squared_mm * slope
    meeting = np.concatenate([-lower, -upper], axis=1) / np.tile(np.where(pull == 0, np.inf, pull), 2)  # (n, 6)
    shifts = np.clip(-meeting[..., None] * pull[:, None], lower[:, None], upper[:, None])
    excess = constant[:, None] + (shifts * slope[:, None]).sum(-1) - meeting
    under = np.where(excess > 0, meeting, meeting.min(1, keepdims=True) - 1).max(1)
    over = np.where(excess > 0, meeting.max(1, keepdims=True) + 1, meeting).min(1)
    between = -((under + over) / 2)[:, None] * pull
    free = (between > lower) & (between < upper)
    held = np.where(free, 0, np.clip(between, lower, upper))
    residual = (constant + (slope * held).sum(-1)) / (1 + (np.where(free, slope, 0) * pull).sum(-1))
    return np.clip(-residual[:, None] * pull, lower, upper)
