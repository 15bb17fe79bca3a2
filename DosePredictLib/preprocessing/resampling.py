"""Volumes from one grid to another, by SimpleITK."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..core import Grid, Volume


def resampled(volume: Volume, grid: Grid, *, outside: float = 0.0) -> np.ndarray:
    """Values of ``volume`` at the voxel centres of ``grid``, [k, j, i] float32, linear between its own centres.

    outside: the value beyond its voxels, in the volume's own unit (air is -1000 HU).
    """
    image = sitk.GetImageFromArray(np.asarray(volume.array, dtype=np.float32))
    image.SetOrigin(volume.grid.origin)
    image.SetSpacing(volume.grid.spacing)
    image.SetDirection(volume.grid.direction)
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(outside)
    return sitk.GetArrayFromImage(resampler.Execute(image))
