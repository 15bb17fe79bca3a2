"""The predicted dose on the grid the user wants."""

from __future__ import annotations

import numpy as np

from ..core import Case, DoseGrid, Grid, Volume
from ..preprocessing.channels import body_on, target_masks
from ..preprocessing.resample import resample

COVERED = 0.9  # of a target's voxels; of what is cut more, the dose-volume histogram is another


def exported(dose: DoseGrid, case: Case, grid: Grid) -> DoseGrid:
    """The dose of a patient inside the body; targets keep their DVHs, whose cold ends interpolation would make colder."""
    body = body_on(case, grid)
    found = to_grid(dose, grid, body)
    volume_ratio = grid.voxel_volume_cc / dose.grid.voxel_volume_cc
    for before, after in zip(target_masks(case, dose.grid).values(), target_masks(case, grid).values(), strict=True):
        if before is not None and after is not None:
            _keep_dvh(dose.gray[before], found.gray, after & body, volume_ratio)
    return found


def to_grid(dose: DoseGrid, grid: Grid, body: np.ndarray) -> DoseGrid:
    """Trilinear onto ``grid``; 0 outside ``body``, [k, j, i] bool on that grid."""
    gray = resample(Volume(dose.gray, dose.grid), grid, outside=0.0, antialias=False)
    return DoseGrid(np.where(body, np.maximum(gray, 0), 0).astype(np.float32), grid)


def _keep_dvh(wanted: np.ndarray, gray: np.ndarray, inside: np.ndarray, volume_ratio: float) -> None:
    """Give the voxels ``inside`` of ``gray`` the histogram of the doses ``wanted`` (n,); the order of the voxels stays."""
    own = gray[inside]
    if len(own) * volume_ratio > COVERED * len(wanted):
        share = (own.argsort().argsort() + 0.5) / len(own)
        gray[inside] = np.quantile(wanted, share, method="hazen")
