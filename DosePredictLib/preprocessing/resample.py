"""The one place in preprocessing where voxel values are interpolated.

Between grids whose axes are parallel, along one axis after the other, by a small matrix from old to new voxels each: what ITK
computes, many times faster (Testing/Benchmarks/resampling.py). ITK itself resamples between all others.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy.special import ive

from ..core import Grid, Volume

LEAST_VARIANCE = 0.01  # voxels^2; of less nothing is averaged
LOST = 0.01  # of a Gaussian, in its tails: ITK's own choice
WIDEST = 32  # voxels
EDGE = 0.5 + 1e-6  # voxels beyond the outermost centre that still belong to a volume


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
    variance = averaging(volume.grid, grid) if antialias else np.zeros(3)
    step = volume.grid.axes.T @ grid.axes * grid.spacing / np.array(volume.grid.spacing)[:, None]
    if np.allclose(step, np.diag(np.diag(step)), atol=1e-6):
        return _along_each_axis(volume, grid, np.diag(step), variance, outside)
    return by_itk(volume, grid, variance, outside)


def averaging(old: Grid, new: Grid) -> np.ndarray:
    """(3,) variance of a Gaussian in old voxels^2 that, with linear interpolation, is about a box of the new voxel's size."""
    ratio = np.array(new.spacing) / np.array(old.spacing)
    variance = np.maximum(0.0, (ratio**2 - 1) / 12)
    return variance if (variance > LEAST_VARIANCE).any() else np.zeros(3)


def _along_each_axis(volume: Volume, grid: Grid, step: np.ndarray, variance: np.ndarray, outside: float) -> np.ndarray:
    first = volume.grid.to_index(np.array(grid.origin))
    places = [start + by * np.arange(count) for start, by, count in zip(first, step, grid.size, strict=True)]
    array = np.asarray(volume.array, np.float32)
    for axis in sorted(range(3), key=lambda a: grid.size[a] / volume.grid.size[a]):  # first where most voxels fall away
        matrix = _interpolation(places[axis], volume.grid.size[axis]) @ _average(volume.grid.size[axis], variance[axis])
        array = _applied(matrix, array, 2 - axis)
    i, j, k = ((place >= -EDGE) & (place <= count - 1 + EDGE) for place, count in zip(places, volume.grid.size, strict=True))
    return np.where(k[:, None, None] & j[:, None] & i, array, np.float32(outside))


def _applied(matrix: np.ndarray, array: np.ndarray, axis: int) -> np.ndarray:
    """A matrix (new, old) along one axis of a contiguous array; voxels that nothing asks for are not looked at."""
    used = np.flatnonzero(matrix.any(axis=0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    flat = array.reshape(int(np.prod(before)), array.shape[axis], -1)[:, part]
    found = matrix[:, part] @ flat if after else flat[..., 0] @ matrix[:, part].T
    return found.reshape(*before, len(matrix), *after)


def _interpolation(places: np.ndarray, count: int) -> np.ndarray:
    """(places, count) float32: linear, at continuous indices of a row of voxels; beyond its ends, the nearest voxel."""
    inside = np.clip(places, 0, count - 1)
    lower = np.minimum(inside.astype(int), max(count - 2, 0))
    matrix, row = np.zeros((len(places), count), np.float32), np.arange(len(places))
    matrix[row, lower] = 1 - (inside - lower)
    matrix[row, np.minimum(lower + 1, count - 1)] += inside - lower
    return matrix


def _average(count: int, variance: float) -> np.ndarray:
    """(count, count) float32: the discrete Gaussian exp(-t) I_n(t) (Lindeberg 1990) along a row; its end voxels are repeated."""
    weights = ive(np.arange(WIDEST // 2), variance)
    held = np.cumsum(weights) * 2 - weights[0]
    reach = min(int(np.searchsorted(held, 1 - LOST)), len(held) - 1)
    matrix, row = np.zeros((count, count), np.float32), np.arange(count)
    for n in range(-reach, reach + 1):
        matrix[row, np.clip(row + n, 0, count - 1)] += weights[abs(n)] / held[reach]
    return matrix


def by_itk(volume: Volume, grid: Grid, variance: np.ndarray, outside: float) -> np.ndarray:
    """Between any grids. variance: (3,) of the Gaussian before, in old voxels^2."""
    image = to_image(volume)
    if variance.any():
        image = sitk.DiscreteGaussian(image, variance.tolist(), WIDEST, LOST, useImageSpacing=False)
    reference = sitk.Image(list(grid.size), sitk.sitkUInt8)
    reference.SetSpacing(grid.spacing)
    reference.SetOrigin(grid.origin)
    reference.SetDirection(grid.direction)
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, outside, sitk.sitkFloat32))
