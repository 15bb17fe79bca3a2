"""Trilinear interpolation against linear fields, and against another program."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid, Volume
from DosePredictLib.evaluation.interpolation import at_points, on_grid, trilinear_gradient

FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
TURNED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
TILTED = (1.0, 0.0, 0.0, 0.0, 0.8, -0.6, 0.0, 0.6, 0.8)


@pytest.mark.parametrize("direction", [None, FLIPPED, TURNED, TILTED])
def test_a_linear_dose_is_reproduced_on_any_other_grid(linear_dose, direction) -> None:
    dose = linear_dose((0.3, -0.2, 0.1))
    grid = Grid((7, 6, 5), (1.3, 1.7, 2.1), (1.0, 2.0, 3.0), direction or Grid((1, 1, 1), (1, 1, 1), (0, 0, 0)).direction)
    k, j, i = np.mgrid[:5, :6, :7]
    world = grid.to_world(np.stack([i, j, k], -1))
    truth = 100 + (world - [3.4, 5.3, 8.2]) @ [0.3, -0.2, 0.1]
    np.testing.assert_allclose(on_grid(dose, grid), truth, atol=1e-4)
    np.testing.assert_allclose(at_points(dose, world), truth, atol=1e-9)


def test_it_agrees_with_simpleitk_inside_the_grid() -> None:
    sitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(0)
    field = Volume(rng.random((6, 7, 8)), Grid((8, 7, 6), (1.0, 2.0, 3.0), (-4.0, 3.0, 1.0)))
    image = sitk.GetImageFromArray(field.array)
    image.SetSpacing(field.grid.spacing)
    image.SetOrigin(field.grid.origin)
    points = field.grid.to_world(rng.random((50, 3)) * [7, 6, 5])
    expected = [image.EvaluateAtPhysicalPoint(point.tolist(), sitk.sitkLinear) for point in points]
    np.testing.assert_allclose(at_points(field, points), expected, atol=1e-9)


def test_outside_begins_half_a_voxel_beyond_the_outermost_centres() -> None:
    field = DoseGrid(np.full((2, 2, 2), 5.0), Grid((2, 2, 2), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)))
    values = at_points(field, np.array([[-0.99, 0, 0], [-1.01, 0, 0], [2.99, 3.0, 1], [0, 0, 3.01]]), outside=-1)
    np.testing.assert_array_equal(values, [5, -1, 5, -1])


def test_a_single_slice_is_constant_across_its_thickness() -> None:
    field = DoseGrid(np.arange(4.0).reshape(1, 2, 2), Grid((2, 2, 1), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0)))
    assert at_points(field, np.array([0.5, 0.5, 1.4])) == pytest.approx(1.5)


def test_the_gradient_is_that_of_the_interpolated_values() -> None:
    values = np.random.default_rng(1).random((5, 6, 7))
    index = np.array([[2.3, 1.6, 3.2], [0.1, 4.7, 0.9]])
    _, gradient = trilinear_gradient(values, index)
    for axis in range(3):
        step = 1e-4 * np.eye(3)[axis]
        rise = trilinear_gradient(values, index + step)[0] - trilinear_gradient(values, index - step)[0]
        np.testing.assert_allclose(gradient[:, axis], rise / 2e-4, atol=1e-7)
