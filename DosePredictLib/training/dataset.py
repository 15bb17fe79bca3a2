"""Patients as the slices a network learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import Case, Grid, InputError, Recipe
from ..io import openkbp
from ..preprocessing.channels import Conditions, conditions
from ..preprocessing.crop import Box, network_box
from ..preprocessing.resample import resample

AIR_HU = -400.0  # OpenKBP's CT is empty outside the patient; what lies above is body


@dataclass(frozen=True, eq=False)
class Patient:
    """channels: (slices, channels, rows, columns) float16. dose: (slices, rows, columns) float16 in [-1, 1]."""

    id: str
    channels: np.ndarray
    dose: np.ndarray


def dose_to_unit(gray: np.ndarray, prescription_gy: float, recipe: Recipe) -> np.ndarray:
    """Dose as a share of the highest prescription, recipe.dose_range -> [-1, 1]."""
    low, high = recipe.dose_range
    return np.clip((gray / prescription_gy - low) * (2 / (high - low)) - 1, -1, 1)


def unit_to_dose(unit: np.ndarray, prescription_gy: float, recipe: Recipe) -> np.ndarray:
    """The inverse of ``dose_to_unit``, in Gy, never negative."""
    low, high = recipe.dose_range
    return np.maximum(0.0, ((unit + 1) * ((high - low) / 2) + low) * prescription_gy)


def openkbp_conditions(case: Case, recipe: Recipe) -> tuple[Conditions, Box]:
    """Channels of a challenge patient on its own grid, and the box the network sees of them."""
    grid = case.ct.grid
    given = conditions(case, recipe, grid, trust_air=True)
    return given, box_of(given, case.ct.array > AIR_HU, recipe)


def box_of(given: Conditions, body: np.ndarray, recipe: Recipe) -> Box:
    return network_box(given.channels[1] > 0, body, given.grid.spacing[2], recipe.margin_mm, recipe.pad_multiple)


def patient_of(case: Case, given: Conditions, box: Box, recipe: Recipe) -> Patient:
    """Raises InputError for a case without a reference dose."""
    if case.reference is None:
        raise InputError(f"{case.label} has no dose to learn from.")
    gray = resample_dose(case, given.grid)
    unit = dose_to_unit(gray, case.prescription.highest_gy, recipe)
    channels = np.ascontiguousarray(box.take(given.channels).swapaxes(0, 1), dtype=np.float16)
    return Patient(case.label, channels, box.take(unit).astype(np.float16))


def resample_dose(case: Case, grid: Grid) -> np.ndarray:
    from ..core import Volume

    assert case.reference is not None
    return resample(Volume(case.reference.gray, case.reference.grid), grid, outside=0.0, antialias=False)


def load_patients(folders: list[Path], recipe: Recipe, cache: Path) -> Iterator[Patient]:
    """Patients of OpenKBP folders, through a cache of one npz each that is keyed by the recipe."""
    cache = cache / recipe_key(recipe)
    cache.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        file = cache / f"{folder.name}.npz"
        if not file.exists():
            _prepare(folder, recipe, file)
        with np.load(file) as stored:
            yield Patient(folder.name, stored["channels"], stored["dose"])


def recipe_key(recipe: Recipe) -> str:
    """Changes whenever the channels would; the network and its schedule do not matter."""
    values = {k: v for k, v in recipe.to_dict().items() if k not in ("model", "network", "diffusion", "steps")}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _prepare(folder: Path, recipe: Recipe, file: Path) -> None:
    case = openkbp.read_patient(folder).case
    patient = patient_of(case, *openkbp_conditions(case, recipe), recipe)
    part = file.with_suffix(".part.npz")
    np.savez(part, channels=patient.channels, dose=patient.dose)
    part.replace(file)
