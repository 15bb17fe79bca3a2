"""Predicted minus planned dose: as a volume, as errors in a stated mask, and what of it deserves a look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ..core import DoseGrid, GeometryError, InputError, Volume
from .interpolation import on_grid

NOTABLE_GY, NOTABLE_PERCENT = 2.0, 3.0  # Gronberg et al. 2022, arXiv 2209.14277
WINDOW, SIGMA = 5, 1.5  # voxels
CENTIGRAY = (30.0, 300.0)  # ratio of two maxima that means one of them is in cGy


@dataclass(frozen=True)
class Errors:
    """Differences in Gy over the voxels of ``mask``, which says in words where."""

    mask: str
    voxels: int
    mean_gy: float
    mean_absolute_gy: float
    root_mean_square_gy: float
    largest_gy: float


def difference(predicted: DoseGrid, reference: DoseGrid) -> Volume:
    """Predicted - reference in Gy on the reference's grid; NaN where the prediction has no voxel.

    Raises GeometryError where the two doses do not overlap, InputError where their units differ.
    """
    check_units(predicted, reference)
    change = on_grid(predicted, reference.grid, outside=np.nan) - reference.gray
    if not np.isfinite(change).any():
        raise GeometryError("The predicted and the reference dose do not overlap; check that both belong to one planning CT.")
    return Volume(change.astype(np.float32), reference.grid)


def check_units(predicted: DoseGrid, reference: DoseGrid) -> None:
    """Raises InputError where one of the doses looks like centigray."""
    highest = float(predicted.gray.max()), float(reference.gray.max())
    if min(highest) > 0 and CENTIGRAY[0] < max(highest) / min(highest) < CENTIGRAY[1]:
        raise InputError(
            f"The maximum of the predicted dose is {highest[0]:.4g} Gy and that of the reference {highest[1]:.4g} Gy:"
            " about a factor of 100; one of them is probably in cGy, export it in Gy."
        )


def errors(change: Volume, mask: np.ndarray, *, described: str) -> Errors:
    """The size of a dose difference over the voxels of a boolean ``mask`` of its shape, ``described`` in words."""
    values = change.array[mask & np.isfinite(change.array)].astype(float)
    if not values.size:
        return Errors(described, 0, *[float("nan")] * 4)
    absolute = np.abs(values)
    return Errors(
        mask=described,
        voxels=int(values.size),
        mean_gy=float(values.mean()),
        mean_absolute_gy=float(absolute.mean()),
        root_mean_square_gy=float(np.sqrt(np.mean(values**2))),
        largest_gy=float(values[absolute.argmax()]),
    )


def peak_signal_to_noise_db(found: Errors, reference: DoseGrid) -> float:
    """20 log10(maximum of the reference / root mean square difference); infinite where nothing differs."""
    rms = found.root_mean_square_gy
    return 20 * math.log10(float(reference.gray.max()) / rms) if rms > 0 else (math.nan if math.isnan(rms) else math.inf)


def structural_similarity(predicted: DoseGrid, reference: DoseGrid, mask: np.ndarray) -> float:
    """Mean over a mask of the reference's grid of the index of Wang et al. 2004, IEEE Trans Image Process 13:600.

    In three dimensions, with a Gaussian window of 1.5 voxels and the maximum of the reference as range; NaN without voxels.
    """
    x, y = on_grid(predicted, reference.grid).astype(float), reference.gray.astype(float)
    mean_x, mean_y = _smoothed(x), _smoothed(y)
    variances = _smoothed(x * x) - mean_x**2 + _smoothed(y * y) - mean_y**2
    covariance = _smoothed(x * y) - mean_x * mean_y
    luminance, contrast = (float(reference.gray.max()) * np.array([0.01, 0.03])) ** 2
    index = (2 * mean_x * mean_y + luminance) * (2 * covariance + contrast)
    index /= (mean_x**2 + mean_y**2 + luminance) * (variances + contrast)
    return float(index[mask].mean()) if mask.any() else math.nan


def _smoothed(values: np.ndarray) -> np.ndarray:
    """A Gaussian window of 1.5 voxels, 11 wide; beyond the border the values are mirrored."""
    return gaussian_filter(values, SIGMA, radius=WINDOW, mode="reflect")


def is_notable(change: float | None, unit: str) -> bool:
    """Whether a difference of a metric is worth a look: 2 Gy, or 3 % of the volume. No verdict on the plan."""
    limit = {"Gy": NOTABLE_GY, "%": NOTABLE_PERCENT}.get(unit, float("inf"))
    return change is not None and bool(abs(change) >= limit)
