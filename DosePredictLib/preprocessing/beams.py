"""Photon fields on a patient: where each ray goes, how much it is attenuated, and the dose of a fluence.

Geometry is that of a linac with the couch at 0 (IEC 61217) on a grid along the patient's axes (LPS). The dose model is the
simplest that follows a plan: primary fluence in beamlets of ``BEAMLET_MM``, attenuated exponentially with water-equivalent
depth and by the inverse square, without scatter and build-up. Fitted to the doses of OpenKBP plans by fluence alone it
leaves 0.5 Gy of mean error (docs/experiments.md), so what these plans can look like is known before any learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, map_coordinates
from scipy.sparse import csr_array

from ..core import Grid, Volume
from ..core.parallel import in_threads

NINE_FIELDS_DEG = tuple(range(0, 360, 40))  # OpenKBP: nine equidistant coplanar fields
SOURCE_AXIS_MM = 1000.0
BEAMLET_MM = 5.0  # in the plane of the isocentre
ATTENUATION_PER_MM = 0.004  # 6 MV, effective: primary and scatter together; chosen on OpenKBP plans
RAY_STEP_MM = 5.0
REACH_MM = 280.0  # of a ray on either side of the isocentre: half the diagonal of a wide patient


@dataclass(frozen=True, eq=False)
class Beam:
    """One field. open: (rows along z, columns across) bool, beamlets that meet a target; first: mm of the first row and column.

    depth_mm: water-equivalent depth, (steps from the source, rows, columns).
    """

    isocentre: np.ndarray
    towards_source: np.ndarray
    across: np.ndarray
    first: tuple[float, float]
    open: np.ndarray
    depth_mm: np.ndarray

    def influence(self, points: np.ndarray) -> csr_array:
        """Dose at points (n, 3) in mm for unit fluence of each beamlet, (n, beamlets), bilinear between beamlets."""
        height, row, column = beamlet_coordinates(points, self.isocentre, self.towards_source, self.across, self.first)
        rows, columns = self.open.shape
        reached = (row > -1) & (row < rows) & (column > -1) & (column < columns)
        height, row, column = height[reached], row[reached], column[reached]
        step = (REACH_MM - height) / RAY_STEP_MM
        depth = map_coordinates(self.depth_mm, np.stack([step, row, column]), order=1, mode="nearest", output=np.float32)
        weight = np.exp(-ATTENUATION_PER_MM * depth) * (SOURCE_AXIS_MM / (SOURCE_AXIS_MM - height)) ** 2
        floor_row, floor_column = np.floor(row).astype(np.int32), np.floor(column).astype(np.int32)
        data, indices = np.zeros((len(row), 4), np.float32), np.zeros((len(row), 4), np.int32)
        for corner, (down, right) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            r, c = floor_row + down, floor_column + right
            inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
            share = (1 - np.abs(row - r)) * (1 - np.abs(column - c))
            indices[:, corner] = np.where(inside, r * columns + c, 0)
            data[:, corner] = np.where(inside & self.open[r % rows, c % columns], share * weight, 0)
        ends = np.concatenate([[0], np.cumsum(4 * reached)])
        return csr_array((data.ravel(), indices.ravel(), ends), (len(points), rows * columns))


def beamlet_coordinates(
    points: np.ndarray, isocentre: np.ndarray, towards_source: np.ndarray, across: np.ndarray, first: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mm above the isocentre's plane, row, column) of points, projected from the source onto that plane."""
    relative = (points - isocentre).astype(np.float32)
    height = relative @ towards_source.astype(np.float32)
    scale = SOURCE_AXIS_MM / (SOURCE_AXIS_MM - height)
    row, column = relative[:, 2] * scale, relative @ across.astype(np.float32) * scale
    return height, (row - first[0]) / BEAMLET_MM, (column - first[1]) / BEAMLET_MM


def beams_on(hu: Volume, targets: np.ndarray, angles_deg: Sequence[float] = NINE_FIELDS_DEG) -> list[Beam]:
    """Fields around the centroid of ``targets`` ([k, j, i] bool on hu.grid), open where a beamlet or its neighbour meets one.

    hu: CT with air outside the patient, on a grid along the patient's axes.
    """
    density = Volume(np.clip((hu.array + 1000.0) / 1000.0, 0.0, 2.0).astype(np.float32), hu.grid)
    points = voxel_points(hu.grid, np.flatnonzero(targets))
    isocentre = points.mean(axis=0)
    return in_threads(lambda angle: _beam(density, points, isocentre, np.deg2rad(angle)), angles_deg)


def opened(beams: Sequence[Beam]) -> np.ndarray:
    """(beamlets,) bool: which of all beamlets are open."""
    return np.concatenate([beam.open.ravel() for beam in beams])


def voxel_points(grid: Grid, flat: np.ndarray) -> np.ndarray:
    """Centres (n, 3) in mm of voxels by flat index."""
    k, j, i = np.unravel_index(flat, grid.shape)
    return np.stack([i, j, k], axis=1) * np.asarray(grid.spacing) + np.asarray(grid.origin)


def _beam(density: Volume, targets: np.ndarray, isocentre: np.ndarray, angle: float) -> Beam:
    towards_source = np.array([np.sin(angle), -np.cos(angle), 0.0])  # gantry 0: from anterior; 90: from the patient's left
    across = np.array([np.cos(angle), np.sin(angle), 0.0])
    _, row, column = beamlet_coordinates(targets, isocentre, towards_source, across, (0.0, 0.0))
    low = np.floor([row.min() - 2, column.min() - 2]).astype(int)
    high = np.ceil([row.max() + 2, column.max() + 2]).astype(int)
    hit = np.zeros(high - low + 1, bool)
    hit[np.round(row).astype(int) - low[0], np.round(column).astype(int) - low[1]] = True
    first = (float(low[0] * BEAMLET_MM), float(low[1] * BEAMLET_MM))
    opened = binary_dilation(hit, np.ones((3, 3), bool))
    depth = _depth_mm(density, isocentre, towards_source, across, first, hit.shape)
    return Beam(isocentre, towards_source, across, first, opened, depth)


def _depth_mm(
    density: Volume,
    isocentre: np.ndarray,
    towards_source: np.ndarray,
    across: np.ndarray,
    first: tuple[float, float],
    shape: tuple[int, ...],
) -> np.ndarray:
    """Density summed along the ray of each beamlet from the source, in mm of water."""
    heights = np.arange(REACH_MM, -REACH_MM - RAY_STEP_MM, -RAY_STEP_MM)
    row, column = (start + BEAMLET_MM * np.arange(n) for start, n in zip(first, shape, strict=True))
    height, z, x = np.meshgrid(heights, row, column, indexing="ij")
    scale = (SOURCE_AXIS_MM - height) / SOURCE_AXIS_MM
    upwards = np.array([0.0, 0.0, 1.0])
    points = isocentre + height[..., None] * towards_source + (x * scale)[..., None] * across + (z * scale)[..., None] * upwards
    index = (points - np.asarray(density.grid.origin)) / np.asarray(density.grid.spacing)
    along = map_coordinates(density.array, np.moveaxis(index, -1, 0)[::-1], order=1, mode="nearest", output=np.float32)
    return np.cumsum(along, axis=0) * np.float32(RAY_STEP_MM)
