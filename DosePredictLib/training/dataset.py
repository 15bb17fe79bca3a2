"""Patients as the slices a network learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core import Case, Grid, InputError, Recipe, Volume
from ..io import openkbp
from ..io.case import load_case
from ..preprocessing.channels import body_on, conditions, network_grid
from ..preprocessing.intensity import dose_to_unit
from ..preprocessing.resample import resample

TREATMENT = "treatment.json"
HIGHEST_GY = openkbp.TARGET_GY["PTV70"]
CACHE = "cache"  # folder beside the checkpoints
CACHE_FORMAT = 6  # raise it whenever the same recipe would give other channels


@dataclass(frozen=True, eq=False)
class Patient:
    """channels: (slices, channels, rows, columns) float16. dose: (slices, rows, columns) float16 in [-1, 1].

    counts: (slices, rows, columns) bool, where dose may be: the body, or OpenKBP's possible_dose_mask.
    highest_gy: the highest prescription. spacing_mm: of the voxels (i, j, k).
    treatment: its "technique" and "site", for a model that learns several.
    """

    id: str
    channels: np.ndarray
    dose: np.ndarray
    counts: np.ndarray
    highest_gy: float = HIGHEST_GY
    treatment: Mapping[str, str] = field(default_factory=dict)
    spacing_mm: tuple[float, float, float] = Recipe.spacing_mm


def patient_of(case: Case, recipe: Recipe, grid: Grid, *, counts: np.ndarray | None = None, trust_air: bool = False) -> Patient:
    """What the network learns from ``case`` on ``grid``. Raises InputError for a case without a reference dose."""
    if case.reference is None:
        raise InputError(f"{case.label} has no dose to learn from.")
    given = conditions(case, recipe, grid, trust_air=trust_air)
    gray = resample(Volume(case.reference.gray, case.reference.grid), grid, outside=0.0, antialias=False)
    unit = dose_to_unit(gray, case.prescription.highest_gy, recipe)
    channels = np.ascontiguousarray(given.channels.swapaxes(0, 1), dtype=np.float16)
    counted = given.box.take(body_on(case, grid) if counts is None else counts)
    dose = given.box.take(unit).astype(np.float16)
    return Patient(case.label, channels, dose, counted, case.prescription.highest_gy, spacing_mm=grid.spacing)


def find_cases(data: Path, *, without_ct: bool = False) -> tuple[list[Path], list[Path]]:
    """Folders to learn from and to validate on, each one case with a dose.

    OpenKBP patients are split as the challenge does; of DICOM cases, the sub-folders of ``data``, every sixth validates.
    without_ct: OpenKBP patients whose CT is missing teach, too. Raises InputError where there is nothing to learn from.
    """
    known = sorted(data.rglob("pt_*"), key=openkbp.patient_number)
    enough = openkbp.WITHOUT_CT if without_ct else openkbp.WITH_CT
    learn = [path for path in known if openkbp.is_training(path) and openkbp.is_complete(path, enough)]
    check = [path for path in known if not openkbp.is_training(path) and openkbp.is_complete(path)]
    if not (learn or check):
        cases = sorted(path for path in data.iterdir() if path.is_dir()) if data.is_dir() else []
        check = cases[5::6]
        learn = [path for path in cases if path not in check]
    if not learn:
        raise InputError(f"{data.name} holds neither OpenKBP patients (pt_N with CSV files) nor folders of DICOM cases.")
    return learn, check


def read_case(folder: Path) -> Case:
    """A case of either kind."""
    return openkbp.read_patient(folder).case if is_openkbp(folder) else load_case([folder]).case


def has_ct(folder: Path) -> bool:
    return not is_openkbp(folder) or openkbp.is_complete(folder)


def is_openkbp(folder: Path) -> bool:
    return (folder / "voxel_dimensions.csv").exists()


def load_patients(folders: Sequence[Path], recipe: Recipe, cache: Path) -> Iterator[Patient]:
    """Patients, through a cache that is keyed by the recipe."""
    patients = cached(folders, cache / recipe_key(recipe), partial(_prepared, recipe=recipe))
    for folder, patient in zip(folders, patients, strict=True):
        yield replace(patient, treatment=treatment_of(folder))


def treatment_of(folder: Path) -> dict[str, str]:
    """Technique and site, where the case's folder has a file ``treatment.json``. Raises InputError for another content."""
    file = folder / TREATMENT
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not {*found} <= {"technique", "site"} or {*map(type, found.values())} - {str}:
        raise InputError(f'{folder.name}/{TREATMENT} must look like this: {{"technique": "IMRT", "site": "Head and neck"}}.')
    return found


def cached(folders: Sequence[Path], cache: Path, prepare: Callable[[Path], Patient]) -> Iterator[Patient]:
    """What ``prepare`` makes of each folder; kept in ``cache``, one npz each."""
    for folder in folders:
        yield kept(cache / f"{folder.name}.npz", folder.name, partial(prepare, folder))


def kept(file: Path, name: str, prepare: Callable[[], Patient]) -> Patient:
    """What ``file`` holds, made by ``prepare`` the first time."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        patient, part = prepare(), file.with_suffix(".part.npz")
        np.savez(
            part,
            channels=patient.channels,
            dose=patient.dose,
            counts=patient.counts,
            highest_gy=patient.highest_gy,
            spacing_mm=patient.spacing_mm,
        )
        part.replace(file)
    with np.load(file) as stored:
        highest_gy, (i, j, k) = float(stored["highest_gy"]), stored["spacing_mm"].tolist()
        return Patient(name, stored["channels"], stored["dose"], stored["counts"], highest_gy, spacing_mm=(i, j, k))


def recipe_key(recipe: Recipe) -> str:
    """Changes whenever the channels would; the network and its schedule do not matter."""
    values = {k: v for k, v in recipe.to_dict().items() if k not in ("model", "network", "diffusion", "steps")}
    if not recipe.voxel_distances:
        del values["voxel_distances"]  # younger than the format: caches made before it stay valid
    return hashlib.sha256(json.dumps([CACHE_FORMAT, values], sort_keys=True).encode()).hexdigest()[:12]


def _prepared(folder: Path, recipe: Recipe) -> Patient:
    """OpenKBP on its own grid, whose CT is empty outside the patient; a DICOM case on the network's."""
    if is_openkbp(folder):
        found = openkbp.read_patient(folder, water_for_ct=True)
        return patient_of(found.case, recipe, found.case.ct.grid, counts=found.possible_dose_mask, trust_air=True)
    case = load_case([folder]).case
    return patient_of(case, recipe, network_grid(case, recipe))
