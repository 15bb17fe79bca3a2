"""A case handed over by 3D Slicer: what the scene shows, as a folder, free of identifiers.

    case.json     names, prescription, ROIs
    arrays.npz    the CT, the planned dose, contours and occupancies, as they are; of a plan to be measured there need be
                  no more than the planned dose

NumPy's own format, because it takes any file name on any system and keeps every bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from ..core import Case, DoseGrid, Grid, InputError, OutputError, Prescription, QaCase, Structure, StructureSet, Target, Volume

DESCRIPTION, ARRAYS = "case.json", "arrays.npz"
Read = TypeVar("Read")


def is_scene_case(paths: Iterable[Path]) -> bool:
    """Whether the paths are one folder written by ``write_scene_case``."""
    folder, *others = paths
    return not others and (folder / DESCRIPTION).is_file()


def write_scene_case(folder: Path, case: Case | QaCase) -> None:
    """Write a case into an existing folder. Raises OutputError where that is not possible (disk full, no permission)."""
    planned, targets = (case.planned, ()) if isinstance(case, QaCase) else (case.reference, case.prescription.targets)
    description = {
        "names": case.names,
        "prescription": [asdict(target) for target in targets],
        "structures": [_described(structure) for structure in case.structures],
    }
    arrays: dict[str, np.ndarray] = {} if case.ct is None else _arrays_of("ct", case.ct)
    if planned is not None:
        arrays |= _arrays_of("planned", Volume(planned.gray, planned.grid))
    for number, structure in enumerate(case.structures):
        arrays |= _drawn(f"roi{number}", structure)
    try:
        _save(folder / ARRAYS, arrays)
        (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    except OSError as error:
        raise _cannot_write(error) from None


def read_scene_case(folder: Path) -> Case:
    """The case of such a folder. Raises InputError for one that is damaged."""
    return _read(folder, _case)


def read_scene_qa_case(folder: Path) -> QaCase:
    """The plan to be measured of such a folder. Raises InputError for one that is damaged."""
    return _read(folder, _qa_case)


def _read(folder: Path, made_of: Callable[[dict[str, Any], Mapping[str, np.ndarray]], Read]) -> Read:
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        with np.load(folder / ARRAYS) as arrays:
            return made_of(description, arrays)
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f"The case handed over by 3D Slicer is damaged ({type(error).__name__}); start again.") from None


def write_volumes(path: Path, volumes: Mapping[str, Volume]) -> None:
    """Several volumes in one file. Raises OutputError where it cannot be written."""
    try:
        _save(path, {key: array for name, volume in volumes.items() for key, array in _arrays_of(name, volume).items()})
    except OSError as error:
        raise _cannot_write(error) from None


def read_volumes(path: Path) -> dict[str, Volume]:
    """What ``write_volumes`` wrote. Raises InputError for a damaged file."""
    try:
        with np.load(path) as arrays:
            return {name: _volume(name, arrays) for name in arrays.files if ":" not in name}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"The file {path.name} is damaged ({type(error).__name__}).") from None


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub knows only file names
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _cannot_write(error: OSError) -> OutputError:
    reason = error.strerror or type(error).__name__
    return OutputError(f"The patient's data could not be handed to the background process ({reason}); free some disk space.")


def _arrays_of(name: str, volume: Volume) -> dict[str, np.ndarray]:
    grid = volume.grid
    return {name: volume.array, f"{name}:grid": np.array([*grid.spacing, *grid.origin, *grid.direction])}


def _volume(name: str, arrays: Mapping[str, np.ndarray]) -> Volume:
    array, place = arrays[name], [float(v) for v in arrays[f"{name}:grid"]]
    k, j, i = array.shape
    grid = Grid((i, j, k), (place[0], place[1], place[2]), (place[3], place[4], place[5]), tuple(place[6:]))
    return Volume(array, grid)


def _described(structure: Structure) -> dict[str, Any]:
    return {"name": structure.name, "number": structure.number, "interpreted_type": structure.interpreted_type}


def _drawn(key: str, structure: Structure) -> dict[str, np.ndarray]:
    if structure.occupancy is not None:
        return _arrays_of(key, structure.occupancy)
    points = np.concatenate([np.empty((0, 3)), *structure.contours])
    return {f"{key}:points": points, f"{key}:counts": np.array([len(c) for c in structure.contours], dtype=int)}


def _case(description: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Case:
    return Case(
        ct=_ct(arrays),
        structures=_structures(description, arrays),
        prescription=Prescription(tuple(Target(**target) for target in description["prescription"])),
        names=dict(description["names"]),
        reference=_planned(arrays) if "planned" in arrays else None,
    )


def _qa_case(description: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> QaCase:
    ct = _ct(arrays) if "ct" in arrays else None
    return QaCase(_planned(arrays), ct, _structures(description, arrays), dict(description["names"]))


def _ct(arrays: Mapping[str, np.ndarray]) -> Volume:
    ct = _volume("ct", arrays)
    if not np.isfinite(ct.array).all():
        raise InputError("The CT has voxels that are not finite numbers (NaN or infinity); choose the CT as it was scanned.")
    return Volume(ct.array.astype(np.float32), ct.grid)


def _planned(arrays: Mapping[str, np.ndarray]) -> DoseGrid:
    planned = _volume("planned", arrays)
    return DoseGrid(planned.array, planned.grid)


def _structures(description: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> StructureSet:
    entries = enumerate(description["structures"])
    return StructureSet(tuple(_structure(f"roi{number}", entry, arrays) for number, entry in entries))


def _structure(key: str, entry: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Structure:
    if key in arrays:
        return Structure(occupancy=_volume(key, arrays), **entry)
    ends = np.cumsum(arrays[f"{key}:counts"])[:-1]
    points = arrays[f"{key}:points"]
    return Structure(contours=tuple(np.split(points, ends)) if len(points) else (), **entry)
