"""Trilinear interpolation of a dose or any other volume: the one place in evaluation.

Values live at voxel centres. Between the outermost centres and the edge of the outermost voxels the nearest value holds.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ..core import DoseGrid, Grid, Volume

EDGE = 0.5 + 1e-6  # voxels beyond the outermost centre that still belong to a grid


def values_of(field: DoseGrid | Volume) -> np.ndarray:
    """The array of a field, ``[k, j, i]``."""
    return field.gray if isinstance(field, DoseGrid) else field.array


def at_points(field: DoseGrid | Volume, points: np.ndarray, *, outside: float = 0.0) -> np.ndarray:
    """Values, (...), at points in LPS mm, (..., 3); ``outside`` where a point lies in no voxel."""
    index = field.grid.to_index(points)
    size = np.array(field.grid.size)
    inside = np.all((index >= -EDGE) & (index <= size - 1 + EDGE), axis=-1)
    return np.where(inside, trilinear(values_of(field), index), outside)


def on_grid(field: DoseGrid | Volume, grid: Grid, *, outside: float = 0.0) -> np.ndarray:
    """Values at the voxel centres of another grid, of its shape; ``outside`` where a centre lies in no voxel of the field."""
    step = field.grid.to_index(grid.to_world(np.eye(3))) - field.grid.to_index(grid.to_world(np.zeros(3)))
    if np.allclose(step, np.diag(np.diag(step)), atol=1e-6):
        return _on_parallel_grid(field, grid, np.diag(step), outside)
    j, i = np.mgrid[: grid.size[1], : grid.size[0]]
    slices = [
        at_points(field, grid.to_world(np.stack([i, j, np.full_like(i, k)], -1)), outside=outside) for k in range(grid.size[2])
    ]
    return np.stack(slices)


def _on_parallel_grid(field: DoseGrid | Volume, grid: Grid, step: np.ndarray, outside: float) -> np.ndarray:
    """Trilinear interpolation as three linear ones: the axes of both grids are parallel."""
    start = field.grid.to_index(grid.to_world(np.zeros(3)))
    result = values_of(field)
    inside = []
    positions = [start[axis] + step[axis] * np.arange(grid.size[axis]) for axis in range(3)]
    for axis in sorted(range(3), key=lambda a: grid.size[a] / field.grid.size[a]):  # first where most voxels fall away
        result = _linear(result, positions[axis], 2 - axis)
    for axis in (2, 1, 0):
        inside.append((positions[axis] >= -EDGE) & (positions[axis] <= field.grid.size[axis] - 1 + EDGE))
    if not all(line.all() for line in inside):
        result = np.where(inside[0][:, None, None] & inside[1][:, None] & inside[2], result, outside)
    return result


def _linear(values: np.ndarray, position: np.ndarray, axis: int) -> np.ndarray:
    lower, fraction = _cell(position, values.shape[axis])
    weight = fraction.reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.result_type(values, np.float32))
    below = np.take(values, lower, axis)
    above = np.take(values, np.minimum(lower + 1, values.shape[axis] - 1), axis)
    return below + weight * (above - below)


def trilinear(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values, (...), at continuous indices (i, j, k), (..., 3), clamped to the outermost voxel centres."""
    corners, (x, y, z) = _corners(values, index)
    plane = corners[0] + z * (corners[1] - corners[0])
    line = plane[0] + y * (plane[1] - plane[0])
    return line[0] + x * (line[1] - line[0])


def trilinear_gradient(values: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``trilinear``, and its derivatives per voxel along i, j, k, (..., 3)."""
    corners, (x, y, z) = _corners(values, index)
    rise = corners[1] - corners[0]
    plane, rise = corners[0] + z * rise, rise[0] + y * (rise[1] - rise[0])
    line, across = plane[0] + y * (plane[1] - plane[0]), plane[1] - plane[0]
    along = line[1] - line[0]
    slopes = (along, across[0] + x * (across[1] - across[0]), rise[0] + x * (rise[1] - rise[0]))
    return line[0] + x * along, np.stack(slopes, axis=-1)


def _corners(values: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """(2, 2, 2, ...) values at the corners (k, j, i) of the cell around each index, and the position in it along i, j, k."""
    cells, shares = zip(*(_cell(index[..., a], values.shape[2 - a]) for a in range(3)), strict=True)
    strides = (1, values.shape[2], values.shape[2] * values.shape[1])
    first = sum(cell * stride for cell, stride in zip(cells, strides, strict=True))
    steps = [stride if size > 1 else 0 for stride, size in zip(strides, values.shape[::-1], strict=True)]
    flat = values.ravel()
    corners = np.empty((2, 2, 2, *first.shape), flat.dtype)
    for k, j, i in product((0, 1), repeat=3):
        np.take(flat, first + (k * steps[2] + j * steps[1] + i * steps[0]), out=corners[k, j, i, ...], mode="clip")
    return corners, list(shares)


def _cell(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The voxel below each position, and the share of the way to the next one."""
    clamped = np.clip(position, 0, size - 1)
    lower = np.minimum(clamped.astype(np.intp), max(size - 2, 0))
    return lower, clamped - lower.astype(clamped.dtype)
