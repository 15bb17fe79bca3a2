"""CT numbers and dose to the range a network works in, and back."""

from __future__ import annotations

import numpy as np

from ..core import Recipe


def ct_to_unit(hu: np.ndarray, recipe: Recipe) -> np.ndarray:
    """HU clipped to recipe.ct_range_hu, scaled to [-1, 1]."""
    low, high = recipe.ct_range_hu
    return (np.clip(hu, low, high) - low) * (2 / (high - low)) - 1


def dose_to_unit(gray: np.ndarray, prescription_gy: float, recipe: Recipe) -> np.ndarray:
    """Dose as a share of the highest prescription, recipe.dose_range -> [-1, 1]."""
    low, high = recipe.dose_range
    return np.clip((gray / prescription_gy - low) * (2 / (high - low)) - 1, -1, 1)


def unit_to_dose(unit: np.ndarray, prescription_gy: float, recipe: Recipe) -> np.ndarray:
    """The inverse of ``dose_to_unit``, in Gy, never negative."""
    low, high = recipe.dose_range
    return np.maximum(0.0, ((unit + 1) * ((high - low) / 2) + low) * prescription_gy)


def unit_to_ct(unit: np.ndarray, recipe: Recipe) -> np.ndarray:
    """The inverse of ``ct_to_unit``, in HU."""
    low, high = recipe.ct_range_hu
    return (unit + 1) * ((high - low) / 2) + low
