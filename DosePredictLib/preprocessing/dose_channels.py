"""A planned dose, and the CT, as channels of a network that predicts what will be measured; the same in training and use."""

from __future__ import annotations

import numpy as np

from ..core import DoseGrid, Grid, InputError, Recipe, Volume
from .channels import Conditions, along_patient
from .crop import network_box
from .intensity import ct_to_unit, dose_to_unit, unit_to_dose
from .resample import resample

PLANNED_DOSE, CT = "RTDose", "CT"
LEAST_SHARE = 0.01  # of the maximum dose; beyond the box of more than this, the planned dose is taken for measured


def dose_conditions(planned: DoseGrid, ct: Volume | None, recipe: Recipe, grid: Grid | None = None) -> Conditions:
    """Channels of ``planned`` and, where the recipe has it, ``ct`` on ``grid``, by default along the patient's axes.

    Dose is a share of the planned maximum: no prescription is needed. Raises InputError without dose, or a CT the recipe needs.
    """
    if not planned.gray.any():
        raise InputError("The planned dose is zero everywhere; name the RTDOSE of the whole plan.")
    if CT in recipe.channels and ct is None:
        raise InputError("The model looks at the CT as well as at the planned dose; add the CT, or take a model of mode A.")
    grid = grid or along_patient(planned.grid, recipe.spacing_mm)
    gray = gray_on(planned, grid)
    channels = [dose_to_unit(gray, highest(planned), recipe)]
    if CT in recipe.channels and ct is not None:
        channels.append(ct_to_unit(resample(ct, grid, outside=recipe.ct_range_hu[0]), recipe))
    seen = gray > LEAST_SHARE * highest(planned)
    box = network_box(seen, seen, grid.spacing[2], recipe.margin_mm, recipe.pad_multiple)
    return Conditions(box.stacked(channels), grid, box, ())


def highest(planned: DoseGrid) -> float:
    """Gy that the networks' dose is a share of."""
    return float(planned.gray.max())


def gray_on(dose: DoseGrid, grid: Grid) -> np.ndarray:
    """Gy at the voxels of ``grid``, trilinear; 0 beyond the dose."""
    return resample(Volume(dose.gray, dose.grid), grid, outside=0.0, antialias=False)


def measured_dose(planned: DoseGrid, unit: np.ndarray, given: Conditions, recipe: Recipe) -> DoseGrid:
    """The planned dose plus the difference that a network's ``unit`` (k, j, i) over the box says, on the planned dose's own grid.

    Interpolated is only the difference, which is small and smooth. Where nothing is planned, nothing is measured.
    """
    change = np.zeros(given.grid.shape, np.float32)
    after, before = (unit_to_dose(one, highest(planned), recipe) for one in (unit, given.channels[0]))
    given.box.put(after - before, change)
    gray = planned.gray + resample(Volume(change, given.grid), planned.grid, outside=0.0, antialias=False)
    return DoseGrid(np.where(planned.gray > 0, np.maximum(gray, 0), 0).astype(np.float32), planned.grid)
