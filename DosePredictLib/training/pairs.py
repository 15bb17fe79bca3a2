"""Pairs of a planned and a measured dose as the slices a network learns from: measured in fact, or simulated.

A folder that holds ``planned*.dcm`` and ``measured*.dcm`` (RTDOSE), and for mode B the planning CT in ``ct/``, is a real pair.
Any other case with a planned dose becomes a simulated one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core import Case, DoseGrid, GeometryError, Grid, InputError, Recipe, Volume
from ..io.ct import read_ct
from ..io.openkbp import is_complete, patient_number
from ..io.rtdose import read_rtdose
from ..io.scan import scan
from ..preprocessing.dose_channels import LEAST_SHARE, dose_conditions, gray_on, highest
from ..preprocessing.intensity import dose_to_unit
from ..preprocessing.resample import resample
from .dataset import Patient, cached, is_openkbp, read_case, recipe_key
from .measurement import SimulatedMeasurement, generator_of, simulated_measurement
from .settings import TrainingRecipe

PLANNED, MEASURED, CT_FOLDER = "planned*.dcm", "measured*.dcm", "ct"
AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Pair:
    """The dose of a plan and what was measured of it, or simulated. grid: to learn on, None for the recipe's."""

    label: str
    planned: DoseGrid
    measured: DoseGrid
    ct: Volume | None = None
    grid: Grid | None = None


def load_pairs(folders: Sequence[Path], plan: TrainingRecipe, cache: Path) -> Iterator[Patient]:
    """Pairs, through a cache that is keyed by the recipe and the simulation."""
    keyed = [recipe_key(plan.recipe), plan.recipe.channels, asdict(plan.measurement)]
    key = hashlib.sha256(json.dumps(keyed, sort_keys=True).encode()).hexdigest()[:12]
    yield from cached(folders, cache / key, partial(_prepared, plan=plan))


def read_pair(folder: Path, settings: SimulatedMeasurement) -> Pair:
    """Raises InputError (or DicomError, GeometryError) for doses that do not belong together."""
    return measured_pair(folder) if is_measured(folder) else simulated_pair(read_case(folder), settings, own=is_openkbp(folder))


def find_pairs(data: Path) -> list[Path]:
    """OpenKBP patients at any depth, else the sub-folders with files, by name. Raises InputError where there is none."""
    patients = [folder for folder in sorted(data.rglob("pt_*"), key=patient_number) if is_complete(folder)]
    cases = sorted(data.iterdir()) if data.is_dir() else []
    folders = patients or [folder for folder in cases if folder.is_dir()]
    if not folders:
        raise InputError(f"The folder {data.name} holds no cases; name the folder that their folders lie in.")
    return folders


def is_measured(folder: Path) -> bool:
    return any(folder.glob(MEASURED))


def measured_pair(folder: Path) -> Pair:
    """A pair that was really measured; both doses must be of the same course and in the same frame of reference."""
    planned, measured = (read_rtdose(_only(folder, pattern)) for pattern in (PLANNED, MEASURED))
    if planned.frame_of_reference != measured.frame_of_reference:
        raise GeometryError(
            f"The planned and the measured dose in {folder.name} have different frames of reference;"
            " export both for the same planning CT."
        )
    ct = folder / CT_FOLDER
    series = scan(ct).ct_series() if ct.is_dir() else {}
    if len(series) > 1:
        raise InputError(f"{folder.name}/{CT_FOLDER} holds {len(series)} CT series; leave only the planning CT there.")
    volume = read_ct(next(iter(series.values()))) if series else None
    return Pair(folder.name, planned.dose, measured.dose, volume)


def simulated_pair(case: Case, settings: SimulatedMeasurement, *, own: bool = False) -> Pair:
    """The case's planned dose and a simulated measurement of it. own: learn on the case's own voxels (OpenKBP)."""
    if case.reference is None:
        raise InputError(f"{case.label} has no planned dose to simulate a measurement of.")
    hu = resample(case.ct, case.reference.grid, outside=AIR_HU)
    measured = simulated_measurement(case.reference, hu, settings, generator_of(settings, case.label))
    return Pair(case.label, case.reference, measured, case.ct, case.reference.grid if own else None)


def patient_of_pair(pair: Pair, recipe: Recipe) -> Patient:
    """What the network learns from a pair; it counts where the plan gives more than 1 % of its maximum."""
    given = dose_conditions(pair.planned, pair.ct, recipe, pair.grid)
    gray = given.box.take(gray_on(pair.measured, given.grid))
    if not gray.any():
        raise GeometryError(f"The planned and the measured dose of {pair.label} do not overlap; check that they belong together.")
    channels = np.ascontiguousarray(given.channels.swapaxes(0, 1), dtype=np.float16)
    counts = given.box.take(gray_on(pair.planned, given.grid)) > LEAST_SHARE * highest(pair.planned)
    return Patient(pair.label, channels, dose_to_unit(gray, highest(pair.planned), recipe).astype(np.float16), counts)


def measurement_facts(folders: Sequence[Path], settings: SimulatedMeasurement) -> dict[str, Any]:
    """What a model card must say of the measurements."""
    real = sum(is_measured(folder) for folder in folders)
    simulated = len(folders) - real
    return {"pairs": {"measured": real, "simulated": simulated, **({"simulation": asdict(settings)} if simulated else {})}}


def _prepared(folder: Path, plan: TrainingRecipe) -> Patient:
    return patient_of_pair(read_pair(folder, plan.measurement), plan.recipe)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise InputError(f"{folder.name} holds {len(found)} files {pattern}; a pair needs exactly one.")
    return found[0]
