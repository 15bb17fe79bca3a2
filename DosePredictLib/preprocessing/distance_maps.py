"""Signed Euclidean distance to a structure's surface (DoseDiff, Eq. 9: positive inside, negative outside)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..core import Grid


def signed_distance_mm(occupancy: np.ndarray, grid: Grid) -> np.ndarray:
    """Distance in mm from every voxel centre to the structure's surface, [k, j, i] float32.

    The structure is where ``occupancy`` is at least one half. Positive inside, negative outside: the sign of the DoseDiff
    paper, opposite to that of SimpleITK. Spacing is honoured along every axis. The surface lies midway between the outermost
    voxels inside and the innermost outside; measuring from either alone would be wrong by up to a voxel on its other side.
    Raises ValueError for a structure that is empty or fills the grid: it has no surface. See ``Recipe.missing_distance_mm``.
    """
    inside = occupancy >= 0.5
    if inside.all() or not inside.any():
        raise ValueError("A structure that is empty or fills the whole grid has no distance map.")
    return (_distance_within(inside, grid) - _distance_within(~inside, grid)) / 2


def _distance_within(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """mm to the nearest of the mask's own border voxels, positive inside the mask (Maurer et al. 2003)."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(grid.spacing)
    maurer = sitk.SignedMaurerDistanceMapImageFilter()
    maurer.InsideIsPositiveOn()
    maurer.SquaredDistanceOff()
    maurer.UseImageSpacingOn()
    maurer.SetNumberOfThreads(1)  # structures are computed side by side instead
    return sitk.GetArrayFromImage(maurer.Execute(image))
