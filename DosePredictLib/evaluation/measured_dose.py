"""How near a predicted measurement comes to the measured dose, and what predicting no difference at all would reach."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..core import DoseGrid, GeometryError, InputError
from .difference import structural_similarity
from .interpolation import on_grid

IRRADIATED = 0.01  # of the highest measured dose


@dataclass(frozen=True)
class Agreement:
    """The measures of DMTP's Table 2. rmse_percent, mae_percent: of the highest measured dose.

    ssim: structural similarity, three-dimensional. All over voxels with more than 1 % of the highest measured dose: the paper
    does not say which it averages over, and air all around would flatter any prediction.
    """

    ssim: float
    rmse_percent: float
    mae_percent: float


def agreement(predicted: DoseGrid, measured: DoseGrid) -> Agreement:
    """Of a predicted with the measured dose, on the measured dose's grid.

    Raises InputError for a measurement without dose, GeometryError where the prediction does not cover it.
    """
    highest = float(measured.gray.max())
    if not highest > 0:
        raise InputError("The measured dose is zero everywhere; there is nothing to compare with.")
    mask = measured.gray > IRRADIATED * highest
    change = (on_grid(predicted, measured.grid, outside=np.nan) - measured.gray)[mask].astype(float)
    if not np.isfinite(change).all():
        raise GeometryError("The predicted dose does not cover the measured one; predict on the whole grid of the planned dose.")
    return Agreement(
        ssim=structural_similarity(predicted, measured, mask),
        rmse_percent=100 * math.sqrt(float(np.mean(change**2))) / highest,
        mae_percent=100 * float(np.abs(change).mean()) / highest,
    )


def identity_baseline(planned: DoseGrid, measured: DoseGrid) -> Agreement:
    """What the planned dose itself reaches as the prediction: a model must beat it to be of any use."""
    return agreement(planned, measured)


def summary(agreements: Iterable[Agreement]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over patients of each measure, as Table 2 prints them; n - 1, NaN for one patient."""
    rows = np.array([(a.ssim, a.rmse_percent, a.mae_percent) for a in agreements])
    spread = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.full(3, np.nan)
    names = ("ssim", "rmse_percent", "mae_percent")
    return {name: (float(m), float(s)) for name, m, s in zip(names, rows.mean(axis=0), spread, strict=True)}
