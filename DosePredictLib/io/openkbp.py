"""OpenKBP patients in the challenge's official layout (Babier et al., Med Phys 48:5549, 2021).

A patient is a folder ``pt_N`` of CSV files with rows "flat index,value" of 128^3 arrays whose axes grow to posterior, left
and inferior. Here they become ``[k, j, i]`` with k growing to superior: a right-handed LPS grid, centred on 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import Case, DoseGrid, Grid, InputError, Prescription, Structure, StructureSet, Target, Volume

SIZE = 128
TARGET_GY = {"PTV70": 70.0, "PTV63": 63.0, "PTV56": 56.0}
TG263 = {
    "Brainstem": "Brainstem", "SpinalCord": "SpinalCord", "RightParotid": "Parotid_R", "LeftParotid": "Parotid_L",
    "Esophagus": "Esophagus", "Larynx": "Larynx", "Mandible": "Bone_Mandible",
}  # fmt: skip
HU_OFFSET = 1000  # stored value - HU, as the fat and brainstem peaks of the data say
WITHOUT_CT = ("dose", "possible_dose_mask", "voxel_dimensions")
WITH_CT = (*WITHOUT_CT, "ct")
HIGHEST_STORED_CT = 4095  # the organisers' advice for the few values above


@dataclass(frozen=True, eq=False)
class OpenKbpPatient:
    """A patient of the challenge. possible_dose_mask, masks: [k, j, i] bool on case.ct.grid; masks by the challenge's names."""

    id: str
    case: Case
    possible_dose_mask: np.ndarray
    masks: dict[str, np.ndarray]


def find_patients(folder: Path) -> list[Path]:
    """Folders ``pt_N`` anywhere under ``folder``, by number. Raises InputError where there are none."""
    found = [path for path in folder.rglob("pt_*") if path.is_dir() and re.fullmatch(r"pt_\d+", path.name)]
    if not found:
        raise InputError(f"No OpenKBP patient folder (pt_1, pt_2, ...) was found under {folder.name}.")
    return sorted(found, key=patient_number)


def patient_number(path: Path) -> int:
    """N of ``pt_N``; 0 for another name."""
    digits = path.name.removeprefix("pt_")
    return int(digits) if digits.isdecimal() else 0


def is_training(path: Path) -> bool:
    """The challenge's split: 1-200 train, 201-240 validation, 241-340 test."""
    return patient_number(path) <= 200


def is_complete(path: Path, names: Sequence[str] = WITH_CT) -> bool:
    return all((path / f"{name}.csv").exists() for name in names)


def read_patient(path: Path, *, water_for_ct: bool = False) -> OpenKbpPatient:
    """water_for_ct: a patient of water, wherever dose may be, where the CT is missing; to learn from, or to score.

    Raises InputError where a file is missing or not in the challenge's format.
    """
    grid = _grid(path)
    masks = {roi: mask for roi in (*TG263, *TARGET_GY) if (mask := read_mask(path / f"{roi}.csv")) is not None}
    present = [roi for roi in TARGET_GY if roi in masks]
    structures = StructureSet(
        tuple(Structure(roi, number=n, occupancy=Volume(mask, grid)) for n, (roi, mask) in enumerate(masks.items(), start=1))
    )
    possible = read_mask(path / "possible_dose_mask.csv")
    dose_file = path / "dose.csv"
    case = Case(
        ct=Volume(_hu(path, possible if water_for_ct else None), grid),
        structures=structures,
        prescription=Prescription(tuple(Target(roi, TARGET_GY[roi], "OpenKBP") for roi in present)),
        names={TG263[roi]: roi for roi in TG263 if roi in masks},
        reference=DoseGrid(read_values(dose_file), grid) if dose_file.exists() else None,
        label=path.name,
    )
    return OpenKbpPatient(path.name, case, np.ones(grid.shape, bool) if possible is None else possible, masks)


def write_dose(path: Path, gray: np.ndarray) -> None:
    """A dose [k, j, i] as the challenge's submission file: sparse rows "index,data" in its own voxel order."""
    flat = _to_challenge(gray).ravel()
    index = np.flatnonzero(flat > 0)
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="ascii") as out:
        out.write(",data\n")
        out.writelines(f"{i},{value:.4f}\n" for i, value in zip(index.tolist(), flat[index].tolist(), strict=True))
    part.replace(path)


def read_values(path: Path) -> np.ndarray:
    """(128, 128, 128) float32 [k, j, i]; 0 where the file has no row."""
    rows = _rows(path, columns=(0, 1))
    return _from_challenge(_scattered(rows[:, 0], rows[:, 1].astype(np.float32), path))


def read_mask(path: Path) -> np.ndarray | None:
    """(128, 128, 128) bool [k, j, i]; None where there is no file or no voxel in it."""
    if not path.exists():
        return None
    index = _rows(path, columns=(0,))[:, 0]
    return _from_challenge(_scattered(index, np.True_, path)) if index.size else None


def _hu(path: Path, possible: np.ndarray | None) -> np.ndarray:
    """[k, j, i]; where there is no CT, and ``possible`` is given, water there and air elsewhere."""
    if possible is not None and not (path / "ct.csv").exists():
        return np.where(possible, np.float32(0), np.float32(-HU_OFFSET))
    return np.minimum(read_values(path / "ct.csv"), HIGHEST_STORED_CT) - HU_OFFSET


def _grid(path: Path) -> Grid:
    try:
        spacing_y, spacing_x, spacing_z = (float(v) for v in (path / "voxel_dimensions.csv").read_text().split())
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name}/voxel_dimensions.csv is missing or does not hold three numbers.") from error
    spacing = (spacing_x, spacing_y, spacing_z)
    x, y, z = (-(SIZE - 1) / 2 * s for s in spacing)
    return Grid((SIZE, SIZE, SIZE), spacing, (x, y, z))


def _rows(path: Path, columns: tuple[int, ...]) -> np.ndarray:
    try:
        return np.loadtxt(path, delimiter=",", skiprows=1, usecols=columns, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.parent.name}/{path.name} is missing or not a CSV file of the challenge's format.") from error


def _scattered(index: np.ndarray, values, path: Path) -> np.ndarray:
    if index.size and not (index.min() >= 0 and index.max() < SIZE**3):
        raise InputError(f"{path.parent.name}/{path.name} has voxel indices outside a {SIZE}^3 array.")
    flat = np.zeros(SIZE**3, bool if values is np.True_ else np.float32)
    flat[index.astype(np.int64)] = values
    return flat.reshape(SIZE, SIZE, SIZE)


def _from_challenge(array: np.ndarray) -> np.ndarray:
    """[posterior, left, inferior] -> [superior, posterior, left]."""
    return np.ascontiguousarray(array.transpose(2, 0, 1)[::-1])


def _to_challenge(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[::-1].transpose(1, 2, 0))
