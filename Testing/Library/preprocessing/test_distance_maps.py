"""Distance maps against the distance to shapes that is known."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Grid
from DosePredictLib.preprocessing.distance_maps import signed_distance_mm

SPACINGS = [(1.0, 1.0, 1.0), (2.0, 2.0, 2.5), (3.90625, 3.90625, 2.5)]


def centred(spacing: tuple[float, float, float], extent_mm: float = 90.0) -> Grid:
    size = tuple(int(extent_mm / s) for s in spacing)
    origin = tuple(0.3 - s * (n - 1) / 2 for s, n in zip(spacing, size, strict=True))
    return Grid(size, spacing, origin)


def sphere_distance(grid: Grid, radius: float) -> np.ndarray:
    return radius - np.linalg.norm(grid.to_world(np.stack(np.indices(grid.shape)[::-1], axis=-1)), axis=-1)


@pytest.mark.parametrize("radius", [30.0, 10.0])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_around_a_sphere_the_distance_is_right_within_half_a_voxel_diagonal(spacing: tuple, radius: float) -> None:
    grid = centred(spacing)
    truth = sphere_distance(grid, radius)
    inside = truth >= 0
    found = signed_distance_mm(inside.astype(np.float32), grid)
    assert np.abs(found - truth).max() <= np.linalg.norm(spacing) / 2
    assert np.array_equal(found >= 0, inside)


def test_distances_from_a_slab_honour_the_spacing_of_every_axis() -> None:
    grid = Grid((12, 14, 16), (1.0, 2.0, 3.5), (0.0, 0.0, 0.0))
    for axis, step in ((2, 1.0), (1, 2.0), (0, 3.5)):
        occupancy = np.zeros(grid.shape, dtype=np.float32)
        slab = [slice(None)] * 3
        slab[axis] = slice(4, 9)
        occupancy[tuple(slab)] = 1.0
        line = np.moveaxis(signed_distance_mm(occupancy, grid), axis, 0)[:, 3, 3]
        expected = [step * n for n in (-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1.5, 0.5, -0.5, -1.5)]
        assert line[:11].tolist() == pytest.approx(expected)


def test_a_voxel_belongs_to_the_structure_from_half_occupancy_on() -> None:
    grid = centred((2.0, 2.0, 2.0), 30.0)
    occupancy = np.clip(0.5 + sphere_distance(grid, 8.0) / 2, 0, 1)
    assert np.array_equal(signed_distance_mm(occupancy, grid) >= 0, occupancy >= 0.5)


def test_an_empty_structure_and_one_without_end_have_no_distance() -> None:
    grid = centred((2.0, 2.0, 2.0), 20.0)
    for occupancy in (0.4, 0.6):
        with pytest.raises(ValueError, match="no distance map"):
            signed_distance_mm(np.full(grid.shape, occupancy, dtype=np.float32), grid)
