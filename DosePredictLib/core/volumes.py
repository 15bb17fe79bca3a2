"""Arrays that know where they are and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import GeometryError, InputError
from .grid import Grid


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values on a grid; the unit is that of the field holding it (``Case.ct`` is HU, occupancy is 0..1)."""

    array: np.ndarray  # [k, j, i]
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise GeometryError(f"An array of shape {self.array.shape} does not fit a grid of shape {self.grid.shape}.")


@dataclass(frozen=True, eq=False)
class DoseGrid:
    """Absorbed dose of the whole course, in gray."""

    gray: np.ndarray  # [k, j, i], float32 or float64, >= 0
    grid: Grid

    def __post_init__(self) -> None:
        if self.gray.shape != self.grid.shape:
            raise GeometryError(f"A dose of shape {self.gray.shape} does not fit a grid of shape {self.grid.shape}.")
        if not np.isfinite(self.gray).all():
            raise InputError("The dose has voxels that are not finite numbers (NaN or infinity).")
        if self.gray.size and float(self.gray.min()) < 0:
            raise InputError(f"The dose has negative voxels (minimum {float(self.gray.min()):.3f} Gy).")
