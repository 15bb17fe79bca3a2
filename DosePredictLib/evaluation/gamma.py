"""The gamma index of two doses in three dimensions (Low et al. 1998, Med Phys 25:656).

    gamma(r) = min over r' of sqrt( |r' - r|^2 / distance^2 + (D_evaluated(r') - D_reference(r))^2 / dose^2 )

The evaluated dose is interpolated trilinearly and searched continuously: its cells, divided where they are large, are boxes, and
in each box around r that could hold a better value the minimum is found for a dose linear in the box, then again from there.
For a predicted plan dose gamma describes; the limits of AAPM TG-218 are for measured doses (see measured_report).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core import DoseGrid, Volume
from ..core.parallel import in_threads
from .interpolation import trilinear, trilinear_gradient

Real = np.float32  # 1e-4 mm in a patient
BOX = 1.5  # longest side of a box, in distance criteria
REFINEMENTS = 3
PASSES = 4  # of Newton's method
FAR = 1e30
NEARLY = 1e-6  # voxels
POINTS_AT_ONCE, PAIRS_AT_ONCE = 8192, 65_536  # what stays in the cache of a processor


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

    def to_dict(self) -> dict[str, Any]:
        """The entry of report.json."""
        return {
            "criteria": self.description, "dose_percent": self.dose_percent, "distance_mm": self.distance_mm,
            "local": self.local, "threshold_percent": self.threshold_percent, "normalisation_gy": self.normalisation_gy,
            "points": int(self.evaluated.size), "percent_within_1": self.percent_within, "mean": self.mean,
        }  # fmt: skip


class _Boxes(NamedTuple):
    """The evaluated dose in boxes that each lie in one cell; positions in mm along the axes of its grid."""

    gray: np.ndarray
    spacing: np.ndarray
    side: np.ndarray  # of a box
    per_cell: np.ndarray  # boxes in a cell, along i, j, k
    lowest: np.ndarray  # dose in each cell, [k, j, i]
    highest: np.ndarray
    offsets: np.ndarray  # (3, m) boxes, nearest first
    distance_mm: float


class _Points(NamedTuple):
    """Reference points: position (3, n) in mm along the axes of the evaluated grid, dose, and the dose criterion in Gy."""

    position: np.ndarray
    gray: np.ndarray
    tolerance: np.ndarray

    def at(self, index: np.ndarray | slice) -> _Points:
        return _Points(*(values[..., index] for values in self))


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
    index = evaluated.grid.to_index(reference.grid.to_world(np.argwhere(wanted)[:, ::-1])).T
    result = np.full(reference.gray.shape, np.nan, Real)
    if index.size:
        first, gray = _around(evaluated, index, cap * distance_mm)
        boxes = _boxes(gray, np.array(evaluated.grid.spacing), distance_mm, cap)
        position = (index - first[:, None]) * boxes.spacing[:, None]
        result[wanted] = _search_all(boxes, _Points(*(v.astype(Real) for v in (position, planned, tolerance))), cap)
    return Gamma(Volume(result, reference.grid), dose_percent, distance_mm, local, threshold_percent, highest, cap)


def _around(dose: DoseGrid, index: np.ndarray, reach_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of a dose within reach of points at continuous indices (3, n): its first voxel (i, j, k), and its values."""
    reach = np.ceil(reach_mm / np.array(dose.grid.spacing)) + 1
    last = np.array(dose.grid.size) - 1
    first = np.clip(np.floor(index.min(1)) - reach, 0, last).astype(int)
    end = np.clip(np.ceil(index.max(1)) + reach, 0, last).astype(int) + 1
    i, j, k = map(slice, first, end)
    return first, np.ascontiguousarray(dose.gray[k, j, i], Real)


def _boxes(gray: np.ndarray, spacing: np.ndarray, distance_mm: float, cap: float) -> _Boxes:
    per_cell = np.ceil(spacing / (BOX * distance_mm)).astype(int)
    side = spacing / per_cell
    reach = np.ceil(cap * distance_mm / side).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")).reshape(3, -1)
    offsets = offsets[:, np.lexsort((np.linalg.norm(offsets * side[:, None], axis=0), _apart(offsets, side)))]
    offsets = offsets[:, _apart(offsets, side) < cap * distance_mm]
    lowest, highest = (_of_cells(extreme, gray) for extreme in (np.minimum, np.maximum))
    return _Boxes(gray, spacing.astype(Real), side.astype(Real), per_cell, lowest, highest, offsets, distance_mm)


def _apart(offsets: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Least distance in mm between a point in the middle box and one in the box at each offset, (3, m)."""
    return np.linalg.norm(np.maximum(np.abs(offsets) - 1, 0) * side[:, None], axis=0)


def _of_cells(extreme: np.ufunc, values: np.ndarray) -> np.ndarray:
    """The extreme of the eight corners of each cell."""
    for axis in range(3):
        if values.shape[axis] > 1:
            swapped = values.swapaxes(0, axis)
            values = extreme(swapped[:-1], swapped[1:]).swapaxes(0, axis)
    return np.ascontiguousarray(values)


def _search_all(boxes: _Boxes, points: _Points, cap: float) -> np.ndarray:
    """Gamma of each point, by all processors."""
    parts = [points.at(slice(n, n + POINTS_AT_ONCE)) for n in range(0, len(points.gray), POINTS_AT_ONCE)]
    found = in_threads(lambda part: _search(boxes, part, cap), parts)
    return np.concatenate(found) if found else np.zeros(0)


def _search(boxes: _Boxes, points: _Points, cap: float) -> np.ndarray:
    """Gamma of each point: boxes are tried in batches, nearest first, where they could better what was found before."""
    best = np.minimum(_without_moving(boxes, points), cap**2)
    home = np.floor(points.position / boxes.side[:, None]).astype(int)
    first, count = 0, boxes.offsets.shape[1]
    while first < count:
        batch = boxes.offsets[:, first : first + max(1, first)]
        active = np.flatnonzero(best > (_apart(batch[:, :1], boxes.side) / boxes.distance_mm) ** 2)
        for part in np.array_split(active, 1 + len(active) * batch.shape[1] // PAIRS_AT_ONCE):
            _improve(best, part, boxes, points.at(part), home[:, part, None] + batch[:, None])
        first += batch.shape[1]
    return np.sqrt(best)


def _without_moving(boxes: _Boxes, points: _Points) -> np.ndarray:
    """Gamma squared by the dose difference at each point alone; infinite outside the evaluated grid."""
    index = (points.position / boxes.spacing[:, None]).T
    inside = ((index > -NEARLY) & (index < np.array(boxes.gray.shape)[::-1] - 1 + NEARLY)).all(-1)
    return np.where(inside, ((trilinear(boxes.gray, index) - points.gray) / points.tolerance) ** 2, np.inf)


def _improve(best: np.ndarray, part: np.ndarray, boxes: _Boxes, points: _Points, box: np.ndarray) -> None:
    """Lower ``best`` at ``part``, (n,), with the (3, n, m) boxes of its points that could do so."""
    ahead = box.astype(Real) * boxes.side[:, None, None] - points.position[..., None]
    apart = np.maximum(np.maximum(ahead, -ahead - boxes.side[:, None, None]), 0)
    bound = _dot(apart, apart) / boxes.distance_mm**2
    row, column = np.nonzero(bound < best[part, None])
    pair_box, pair_point = box[:, row, column], points.at(row)
    promising = bound[row, column] + _lacking(boxes, pair_point, pair_box) ** 2 < best[part[row]]
    if promising.any():
        found = _least_squared(boxes, pair_point.at(promising), pair_box[:, promising])
        np.minimum.at(best, part[row[promising]], found)


def _lacking(boxes: _Boxes, points: _Points, box: np.ndarray) -> np.ndarray:
    """How far, in dose criteria, each point is from any dose in the cell of its box; infinite outside the grid."""
    i, j, k = box // boxes.per_cell[:, None]
    lines, rows, columns = boxes.lowest.shape
    exists = (i >= 0) & (i < columns) & (j >= 0) & (j < rows) & (k >= 0) & (k < lines)
    cell = np.where(exists, (k * rows + j) * columns + i, 0)
    gap = np.maximum(boxes.lowest.ravel()[cell] - points.gray, points.gray - boxes.highest.ravel()[cell])
    return np.where(exists, np.maximum(gap, 0) / points.tolerance, np.inf)


def _least_squared(boxes: _Boxes, points: _Points, box: np.ndarray) -> np.ndarray:
    """Gamma squared at the best position found in each point's box, by the dose linear at the position before."""
    spacing, side = boxes.spacing[:, None], boxes.side[:, None]
    lower = box.astype(Real) * side - points.position
    shift, squared_mm = lower + side / 2, boxes.distance_mm**2
    least = np.full(len(points.gray), np.inf)
    for _ in range(REFINEMENTS):
        gray, gradient = trilinear_gradient(boxes.gray, ((points.position + shift) / spacing).T)
        lacking = (gray - points.gray) / points.tolerance
        least = np.minimum(least, lacking**2 + _dot(shift, shift) / squared_mm)
        slope = gradient.T / spacing / points.tolerance
        shift = _minimum(lacking - _dot(slope, shift), slope, squared_mm, lower, lower + side)
    lacking = (trilinear(boxes.gray, ((points.position + shift) / spacing).T) - points.gray) / points.tolerance
    return np.minimum(least, lacking**2 + _dot(shift, shift) / squared_mm)


def _minimum(constant: np.ndarray, slope: np.ndarray, squared_mm: float, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Where (constant + slope.s)^2 + |s|^2 / squared_mm is least within bounds, (3, n).

    There s = clip(-residual squared_mm slope) with residual = constant + slope.s: one equation for the residual, linear as long
    as the same axes are free of their bounds. Newton's method, halving where it would leave the limits found so far.
    """
    pull = squared_mm * slope
    residual = constant / (1 + _dot(slope, pull))
    low, high = np.full_like(residual, -FAR), np.full_like(residual, FAR)
    for _ in range(PASSES):
        wanted = -residual * pull
        free = (wanted > lower) & (wanted < upper)
        held = np.where(free, 0, np.clip(wanted, lower, upper))
        after = (constant + _dot(slope, held)) / (1 + _dot(slope * free, pull))
        low, high = np.where(after > residual, residual, low), np.where(after < residual, residual, high)
        beyond = (after <= low) | (after >= high)
        residual = np.where(beyond, (low + high) / 2, after)
    return np.clip(-residual * pull, lower, upper)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of vectors along the first axis, of length 3; numpy's own sum is slow over so few."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
