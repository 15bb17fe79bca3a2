"""Interpolation between grids against ITK's own, and against a field that is known everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from DosePredictLib.core import Grid, Volume
from DosePredictLib.preprocessing.resample import resample

UPRIGHT, TURNED = np.eye(3), np.diag([-1.0, -1.0, 1.0])  # a patient supine and prone
OLD = Grid((40, 36, 20), (1.5, 1.4, 3.0), (2.0, -4.0, 1.0))
COARSE = Grid((14, 12, 9), (4.0, 3.9, 5.0), (5.0, -1.0, 0.0))
FINE = Grid((50, 40, 30), (0.7, 0.6, 1.1), (10.0, 3.0, 8.0))
BEYOND = Grid((30, 30, 30), (4.0, 4.0, 4.0), (-30.0, -40.0, -30.0))


def along(grid: Grid, axes: np.ndarray) -> Grid:
    """The same volume with other axes."""
    last = (np.array(grid.size) - 1) * grid.spacing
    x, y, z = (np.array(grid.origin) + (last - axes @ last) / 2).tolist()
    return Grid(grid.size, grid.spacing, (x, y, z), tuple(axes.ravel().tolist()))


def by_itk(volume: Volume, grid: Grid, outside: float) -> np.ndarray:
    """Smoothed by a Gaussian of (new^2 - old^2) / 12, then linear."""
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    variance = np.maximum(0, np.array(grid.spacing) ** 2 - np.array(volume.grid.spacing) ** 2) / 12
    if variance.any():
        image = sitk.DiscreteGaussian(image, variance.tolist(), 32, 0.01, True)
    new = sitk.Image(list(grid.size), sitk.sitkUInt8)
    new.SetSpacing(grid.spacing)
    new.SetOrigin(grid.origin)
    new.SetDirection(grid.direction)
    return sitk.GetArrayFromImage(sitk.Resample(image, new, sitk.Transform(), sitk.sitkLinear, outside, sitk.sitkFloat32))


@pytest.mark.parametrize("axes", [UPRIGHT, TURNED])
@pytest.mark.parametrize("new", [COARSE, FINE, BEYOND])
def test_grids_with_parallel_axes_get_what_itk_computes(axes, new):
    values = np.random.default_rng(0).normal(0, 100, OLD.shape).astype(np.float32)
    volume = Volume(values, along(OLD, axes))
    np.testing.assert_allclose(resample(volume, new, outside=-7.0), by_itk(volume, new, -7.0), atol=1e-3)


def test_a_turned_grid_gets_a_linear_field_as_it_is():
    angle = np.deg2rad(12)
    axes = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    inner = along(Grid((8, 8, 6), (2.0, 2.0, 3.0), (20.0, 10.0, 20.0)), axes)
    found = resample(Volume(linear(OLD), OLD), inner, outside=0.0, antialias=False)
    np.testing.assert_allclose(found, linear(inner), atol=1e-3)


def linear(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return (grid.to_world(np.stack([i, j, k], axis=-1)) @ [1.0, 2.0, 3.0]).astype(np.float32)


def test_a_volume_of_one_slice_and_a_much_coarser_grid():
    one = Grid((40, 40, 1), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0))
    flat = Volume(np.full(one.shape, 5.0, np.float32), one)
    np.testing.assert_allclose(resample(flat, Grid((1, 1, 1), (39.0, 39.0, 3.0), (19.0, 19.0, 0.5)), outside=0.0), 5.0, rtol=1e-5)
