"""Shapes and doses whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid, Volume

CENTRE = np.array([3.4, 5.3, 8.2])  # on no grid line


@pytest.fixture
def centre() -> np.ndarray:
    return CENTRE


@pytest.fixture
def linear_dose() -> Callable[..., DoseGrid]:
    """``at`` Gy at the centre, changing by ``gradient`` Gy/mm; 2.5 mm voxels unless told."""

    def make(gradient: tuple[float, float, float], *, at: float = 100.0, spacing: float = 2.5, half_mm: float = 45.0) -> DoseGrid:
        count = int(2 * half_mm / spacing)
        grid = Grid((count,) * 3, (spacing,) * 3, tuple(CENTRE - half_mm + [0.7, 0.3, 1.1]))
        return DoseGrid(at + (positions(grid) - CENTRE) @ np.array(gradient, float), grid)

    return make


@pytest.fixture
def sphere() -> Callable[..., Volume]:
    """Occupancy of a sphere around the centre: exact along i, the mean of 6 x 6 lines a voxel across."""

    def make(radius: float, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
        size = np.ceil(2 * radius / np.array(spacing)).astype(int) + 3
        grid = Grid(tuple(map(int, size)), spacing, tuple(np.floor(CENTRE - radius - np.array(spacing))))
        x = grid.origin[0] + spacing[0] * np.arange(size[0]) - CENTRE[0]
        y, z = (_lines(grid, axis, 6) - CENTRE[axis] for axis in (1, 2))
        half = np.sqrt(np.clip(radius**2 - y**2 - z[:, None] ** 2, 0, None))[..., None]
        covered = np.clip(np.minimum(half, x + spacing[0] / 2) - np.maximum(-half, x - spacing[0] / 2), 0, None) / spacing[0]
        blocks = covered.reshape(size[2], 6, size[1], 6, size[0])
        return Volume(blocks.mean((1, 3)).astype(np.float32), grid)

    return make


def _lines(grid: Grid, axis: int, count: int) -> np.ndarray:
    step = grid.spacing[axis] / count
    return grid.origin[axis] - grid.spacing[axis] / 2 + step * (np.arange(grid.size[axis] * count) + 0.5)


def positions(grid: Grid) -> np.ndarray:
    """LPS mm of all voxel centres, (k, j, i, 3)."""
    k, j, i = np.mgrid[: grid.size[2], : grid.size[1], : grid.size[0]]
    return grid.to_world(np.stack([i, j, k], axis=-1))
