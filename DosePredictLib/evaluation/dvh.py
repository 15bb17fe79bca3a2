"""Dose-volume histograms without bins.

A structure is its occupancy: the fraction of each voxel inside it. Every voxel, divided where it is coarse, receives not one
dose but the interval of dose it spans, so the cumulative curve is exact for a dose that is linear across a voxel, wherever the
grids of dose and structure lie. Metrics are read from that curve, never from a table of bins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..core import DoseGrid, InputError, TabulatedDvh, Volume
from .interpolation import on_grid

SMALL_CC, LARGE_CC = 1.0, 1000.0
FEW_VOXELS = 50  # with fewer, a structure is small whatever its volume
SAMPLING_MM = {"small": 0.5, "usual": 1.5, "large": 3.0}  # coarsest side of a sample
LEAST_COVERAGE = 0.99  # below, the metrics of a structure would mislead
NARROWEST_GY = 1e-4  # dose interval given to a sample in a homogeneous dose


@dataclass(frozen=True, eq=False)
class Dvh:
    """The cumulative dose-volume curve of one structure, piecewise linear.

    dose_gy: (n,) ascending. below: (n,) share of the volume that receives less, 0 to 1. volume_cc: whole structure.
    coverage: share of the structure inside the dose grid; the curve describes that part.
    sampling_mm: sides of a sample along i, j, k. Metrics are NaN where ``refusal`` gives a reason.
    shifted: of a small structure, the curves with it moved by half a voxel of its own grid to each of the six sides.
    """

    dose_gy: np.ndarray
    below: np.ndarray
    volume_cc: float
    covered_mean_gy: float
    coverage: float = 1.0
    sampling_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shifted: tuple[Dvh, ...] = ()

    @classmethod
    def of(cls, dose: DoseGrid, occupancy: Volume) -> Dvh:
        """The curve of ``dose`` in the structure with ``occupancy`` (0 to 1); the two grids need nothing in common.

        Raises InputError for a structure without volume.
        """
        occupancy = _trimmed(occupancy)
        volume_cc = float(occupancy.array.sum(dtype=float)) * occupancy.grid.voxel_volume_cc
        small = volume_cc < max(SMALL_CC, FEW_VOXELS * occupancy.grid.voxel_volume_cc)
        target_mm = SAMPLING_MM["small" if small else "large" if volume_cc > LARGE_CC else "usual"]
        shifted = tuple(cls._sampled(dose, moved, volume_cc, target_mm) for moved in _half_voxel_shifts(occupancy) if small)
        return replace(cls._sampled(dose, occupancy, volume_cc, target_mm), shifted=shifted)

    @classmethod
    def _sampled(cls, dose: DoseGrid, occupancy: Volume, volume_cc: float, target_mm: float) -> Dvh:
        samples = _resized(occupancy, target_mm)
        gray, half_width = _spanned_dose(dose, samples)
        weight = samples.array[samples.array > 0].astype(float)
        covered = np.isfinite(gray)
        coverage = float(weight[covered].sum() / weight.sum())
        gray, half_width, weight = gray[covered], half_width[covered], weight[covered]
        mean = float(np.average(gray, weights=weight)) if len(gray) else float("nan")
        return cls(*_cumulative(gray, half_width, weight), volume_cc, mean, coverage, samples.grid.spacing)

    @classmethod
    def from_table(cls, table: TabulatedDvh) -> Dvh:
        """The curve another program has tabulated, linear between its points; volumes are NaN where it states none."""
        middles = (table.dose_gy[:-1] + table.dose_gy[1:]) / 2
        mean = float(np.average(middles, weights=-np.diff(table.percent)))
        volume_cc = float("nan") if table.total_cc is None else table.total_cc
        return cls(table.dose_gy, 1 - table.percent / 100, volume_cc, mean)

    @cached_property
    def refusal(self) -> str:
        """Why no metric is given; empty where they hold."""
        if self.coverage >= LEAST_COVERAGE:
            return ""
        return f"only {100 * self.coverage:.0f} % of the structure lies inside the dose grid"

    @property
    def mean_gy(self) -> float:
        return float("nan") if self.refusal else self.covered_mean_gy

    @property
    def min_gy(self) -> float:
        """Lowest dose in any sample."""
        return self.dose_to_percent(100)

    @property
    def max_gy(self) -> float:
        """Highest dose in any sample."""
        return self.dose_to_percent(0)

    def equivalent_uniform_dose(self, a: float) -> float:
        """gEUD = (sum v_i D_i^a)^(1/a), in Gy (Niemierko 1999); by Simpson's rule between the knots of the curve."""
        if self.refusal:
            return float("nan")
        share, highest = np.diff(self.below), max(float(self.dose_gy[-1]), NARROWEST_GY)
        low, high = self.dose_gy[:-1] / highest, self.dose_gy[1:] / highest
        with np.errstate(divide="ignore"):  # no dose anywhere is fatal to a target, a < 0
            powers = (low**a + 4 * ((low + high) / 2) ** a + high**a) / 6
        return highest * float(np.sum(share * powers, where=share > 0) / self.below[-1]) ** (1 / a)

    @property
    def homogeneity_index(self) -> float:
        """(D2% - D98%) / D50%, ICRU Report 83 equation 3.1; NaN where D50% is zero."""
        median = self.dose_to_percent(50)
        return (self.dose_to_percent(2) - self.dose_to_percent(98)) / median if median > NARROWEST_GY else float("nan")

    def dose_to_percent(self, percent: float) -> float:
        """D_x%: the least dose, in Gy, of the hottest ``percent`` of the volume."""
        return float(self.doses_to_percent(np.array(percent)))

    def doses_to_percent(self, percent: np.ndarray) -> np.ndarray:
        """D_x% of several, of the shape of ``percent``; NaN where ``refusal`` gives a reason."""
        if self.refusal:
            return np.full(percent.shape, np.nan)
        return np.interp(1 - percent / 100, self.below, self.dose_gy)

    def dose_to_cc(self, cc: float) -> float:
        """D_xcc: the least dose, in Gy, of the hottest ``cc`` cubic centimetres; NaN in a smaller structure."""
        return self.dose_to_percent(100 * cc / self.volume_cc) if cc <= self.volume_cc else float("nan")

    def percent_above(self, gray: float) -> float:
        """V_xGy: percent of the volume that receives at least ``gray``."""
        if self.refusal:
            return float("nan")
        return 100 * (1 - float(np.interp(gray, self.dose_gy, self.below, left=0, right=1)))

    def cc_above(self, gray: float) -> float:
        """V_xGy in cubic centimetres."""
        return self.percent_above(gray) / 100 * self.volume_cc

    def covered_cc_above(self, gray: float) -> float:
        """Cubic centimetres inside the dose grid that receive at least ``gray``; given whatever the coverage."""
        if not len(self.dose_gy):
            return 0.0
        return float(1 - np.interp(gray, self.dose_gy, self.below, left=0, right=1)) * self.coverage * self.volume_cc

    def curve(self, points: int = 400, *, highest_gy: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Dose in Gy from 0 to ``highest_gy`` (or the maximum), and percent of the covered volume that receives at least it."""
        end = highest_gy if highest_gy is not None else (self.dose_gy[-1] if len(self.dose_gy) else 0.0)
        dose = np.linspace(0, end, points)
        if not len(self.dose_gy):
            return dose, np.full(points, np.nan)
        return dose, 100 * (1 - np.interp(dose, self.dose_gy, self.below, left=0, right=1))


def _trimmed(occupancy: Volume) -> Volume:
    """The part of the grid that holds the structure. Raises InputError where there is none."""
    used = [np.flatnonzero(occupancy.array.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]  # i, j, k
    if not used[0].size:
        raise InputError("A structure without volume has no dose-volume histogram; check its contours.")
    (i, columns), (j, rows), (k, slices) = ((int(line[0]), int(line[-1] - line[0]) + 1) for line in used)
    part = occupancy.array[k : k + slices, j : j + rows, i : i + columns]
    return Volume(part, occupancy.grid.cropped((i, j, k), (columns, rows, slices)))


def _half_voxel_shifts(occupancy: Volume) -> Iterator[Volume]:
    grid = occupancy.grid
    for step in (*np.eye(3) / 2, *-np.eye(3) / 2):
        x, y, z = map(float, grid.to_world(step))
        yield Volume(occupancy.array, replace(grid, origin=(x, y, z)))


def _resized(occupancy: Volume, target_mm: float) -> Volume:
    """Voxels divided until no side exceeds ``target_mm``; those of a large structure joined up to it. Volume is kept."""
    array, spacing = occupancy.array, np.array(occupancy.grid.spacing)
    divide = np.maximum(1, np.ceil(spacing / target_mm - 1e-6)).astype(int)
    join = np.maximum(1, (target_mm / spacing + 1e-6).astype(int)) if target_mm >= SAMPLING_MM["large"] else np.ones(3, int)
    for axis in range(3):
        array = _joined(array, int(join[axis]), 2 - axis) if join[axis] > 1 else np.repeat(array, divide[axis], 2 - axis)
    grid = occupancy.grid.resampled(tuple(spacing * join / divide))
    return Volume(array, grid)


def _joined(array: np.ndarray, count: int, axis: int) -> np.ndarray:
    starts = np.arange(0, array.shape[axis], count)
    return np.add.reduceat(array, starts, axis) / count


def _spanned_dose(dose: DoseGrid, samples: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Dose at the centre of each sample with volume, and half the dose interval it spans; NaN outside the dose grid.

    The interval is that of a uniform distribution with the standard deviation of a linear dose over the voxel,
    sqrt(sum((gradient * side)^2) / 12): exact for a gradient along an axis.
    """
    i, j, k = samples.grid.size
    grown = samples.grid.cropped((-1, -1, -1), (i + 2, j + 2, k + 2))  # neighbours for the gradient
    gray = on_grid(dose, grown, outside=np.nan)
    occupied = np.nonzero(samples.array > 0)
    middle = [index + 1 for index in occupied]
    squares = np.zeros(len(middle[0]))
    for axis in range(3):
        above, below = ([m + (side if a == axis else 0) for a, m in enumerate(middle)] for side in (1, -1))
        squares += np.nan_to_num((gray[tuple(above)] - gray[tuple(below)]) / 2) ** 2
    return gray[tuple(middle)].astype(float), np.maximum(np.sqrt(squares) / 2, NARROWEST_GY)


def _cumulative(gray: np.ndarray, half_width: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the share of the volume below a dose, each sample being uniform over ``gray`` +- ``half_width``."""
    if not len(gray):
        return np.zeros(0), np.zeros(0)
    half_width = np.minimum(half_width, np.maximum(gray, NARROWEST_GY))  # no sample reaches below zero
    density = weight / weight.sum() / (2 * half_width)
    dose = np.concatenate([gray - half_width, gray + half_width])
    order = np.argsort(dose)
    dose = dose[order]
    slope = np.cumsum(np.concatenate([density, -density])[order])
    below = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(dose))])
    below = np.maximum.accumulate(np.clip(below, 0, None))
    return np.maximum(dose, 0.0), below / below[-1]
