"""The predicted dose on the grid the user wants."""

from __future__ import annotations

import numpy as np

from ..core import DoseGrid, Grid, Volume
from ..preprocessing.resample import resample


def to_grid(dose: DoseGrid, grid: Grid, body: np.ndarray) -> DoseGrid:
    """Trilinear onto ``grid``; 0 outside ``body``, [k, j, i] bool on that grid."""
    gray = resample(Volume(dose.gray, dose.grid), grid, outside=0.0, antialias=False)
    return DoseGrid(np.where(body, np.maximum(gray, 0), 0).astype(np.float32), grid)
