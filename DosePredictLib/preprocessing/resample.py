"""The one place in preprocessing where voxel values are interpolated."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..core import Grid, Volume


def to_image(volume: Volume) -> sitk.Image:
    """A SimpleITK image in LPS; shares nothing with the array."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array, dtype=np.float32))
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    return image


def resample(volume: Volume, grid: Grid, *, outside: float, antialias: bool = True) -> np.ndarray:
    """Values of ``volume`` at the voxels of ``grid``, float32 [k, j, i]; trilinear, ``outside`` beyond the volume.

    antialias: where the new voxels are larger, the values are first averaged over about one new voxel.
    """
    if grid.matches(volume.grid):
        return np.asarray(volume.array, dtype=np.float32)
    image = to_image(volume)
    if antialias:
        image = _averaged(image, grid)
    reference = sitk.Image(list(grid.size), sitk.sitkUInt8)
    reference.SetSpacing(grid.spacing)
    reference.SetOrigin(grid.origin)
    reference.SetDirection(grid.direction)
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, outside, sitk.sitkFloat32))


def _averaged(image: sitk.Image, grid: Grid) -> sitk.Image:
    """Gaussian whose spread, with that of linear interpolation, is about a box of the new voxel's size."""
    old, new = np.array(image.GetSpacing()), np.array(grid.spacing)
    variance = np.maximum(0.0, (new**2 - old**2) / 12)
    if not (variance > (0.1 * old) ** 2).any():
        return image
    return sitk.DiscreteGaussian(image, variance=variance.tolist(), maximumKernelWidth=32, useImageSpacing=True)
