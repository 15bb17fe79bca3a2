"""Signed Euclidean distance to a structure's surface (DoseDiff, Eq. 9: positive inside, negative outside)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..core import Grid


def signed_distance_mm(occupancy: np.ndarray, grid: Grid) -> np.ndarray:
    """Distance in mm from every voxel centre to the structure's boundary voxels, [k, j, i] float32.

    The structure is where ``occupancy`` is at least one half. Positive inside, 0 on its boundary voxels, negative
    outside: the sign of the DoseDiff paper, opposite to that of SimpleITK. Spacing is honoured along every axis.
    Raises ValueError for an empty structure, whose distance does not exist: see ``Recipe.missing_distance_mm``.
    """
    inside = occupancy >= 0.5
    if not inside.any():
        raise ValueError("An empty structure has no distance map.")
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing(grid.spacing)
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    return sitk.GetArrayFromImage(distance)
