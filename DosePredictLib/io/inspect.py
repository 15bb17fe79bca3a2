"""What is in a folder, told before anything is predicted; it never refuses, it says what would be refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.errors import InputError
from ..core.structures import Structure, StructureSet
from . import choose as choosing
from .checks import check_frame
from .ct import stack
from .headers import text
from .identify import Identified, identify
from .rtdose import read_rtdose
from .rtplan import Plan, read_rtplan
from .rtstruct import RtStruct, read_rtstruct
from .scan import RTDOSE, RTPLAN, RTSTRUCT, DicomFile, Scan, scan
from .targets import find_prescription

Found = TypeVar("Found")


def inspect(
    paths: Path | str | Iterable[Path | str],
    *,
    names: Mapping[str, str] | None = None,
    prescription: Mapping[str, float] | None = None,
    choose: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What was found, as JSON can hold it.

    Keys: files, ct, structure_sets, plans, doses, structures, names, prescription, notes, warnings, refusals.

    The arguments are those of case.load_case. ``refusals`` are the sentences load_case would end with; empty where it would not.
    Raises InputError only for a path that does not exist.
    """
    found = scan(paths)
    refusals: list[str] = []
    choice = _try(lambda: choosing.choose(found, choose), refusals) or choosing.Choice()
    if sentence := choosing.missing(found, choice):
        refusals.append(sentence)
    struct = _read(read_rtstruct, choice.rtstruct, refusals)
    plan = _read(read_rtplan, choice.plan, refusals)
    _check_geometry(choice, struct, refusals)
    wanted = _try(lambda: find_prescription(struct.structures, plan, prescription), refusals) if struct else None
    structures = struct.structures if struct else StructureSet()
    organs = _try(lambda: identify(structures, names), refusals) or Identified({})
    doses = {target.roi: target for target in wanted.prescription.targets} if wanted else {}
    return {
        "files": _files(found),
        "ct": [_series(uid, slices, choice) for uid, slices in found.ct_series().items()],
        "structure_sets": [_object(file, choice.rtstruct, "StructureSetLabel") for file in found.of(RTSTRUCT)],
        "plans": [_plan(file, choice) for file in found.of(RTPLAN)],
        "doses": [_dose(file, choice) for file in found.of(RTDOSE)],
        "structures": [
            _structure(s) | {"model_name": m.model_name, "how": m.how, "confidence": m.confidence, "is_target": s.name in doses}
            for s, m in zip(structures, organs.matches, strict=False)
        ],
        "names": organs.names,
        "prescription": [{"roi": t.roi, "dose_gy": t.dose_gy, "source": t.source} for t in doses.values()],
        "notes": [*choice.notes, *(wanted.notes if wanted else ()), *(organs.notes if struct else ())],
        "warnings": [*choice.warnings, *(wanted.warnings if wanted else ()), *(organs.warnings if struct else ())],
        "refusals": refusals,
    }


def contour_volume_cc(structure: Structure) -> float:
    """An estimate for tables: even-odd areas of the planes times their usual distance. 0 for no contours, or one plane only."""
    if not structure.contours:
        return 0.0
    across = int(np.argmin(np.mean([np.ptp(c, axis=0) for c in structure.contours], axis=0)))
    planes: dict[float, list[np.ndarray]] = {}
    for contour in structure.contours:
        planes.setdefault(round(float(contour[:, across].mean()), 1), []).append(np.delete(contour, across, axis=1))
    if len(planes) < 2:
        return 0.0
    return sum(map(_even_odd_area, planes.values())) * float(np.median(np.diff(sorted(planes)))) / 1000


def _try(step: Callable[[], Found], refusals: list[str]) -> Found | None:
    try:
        return step()
    except InputError as error:
        refusals.append(str(error))
        return None


def _read(reader: Callable[[Path], Found], file: DicomFile | None, refusals: list[str]) -> Found | None:
    return _try(lambda: reader(file.path), refusals) if file else None


def _check_geometry(choice: choosing.Choice, struct: RtStruct | None, refusals: list[str]) -> None:
    if choice.ct:
        _try(lambda: stack(choice.ct), refusals)
    if choice.ct and struct:
        _try(lambda: check_frame(struct, choice.ct[0]), refusals)


def _files(found: Scan) -> dict[str, Any]:
    return {
        "dicom": len(found.files),
        "copies": found.copies,
        "kinds": dict(Counter(file.kind for file in found.files)),
        "unreadable": list(found.unreadable),
        "other": dict(Counter(Path(name).suffix or "(no extension)" for name in found.not_dicom)),
    }


def _series(uid: str, slices: tuple[DicomFile, ...], choice: choosing.Choice) -> dict[str, Any]:
    problems: list[str] = []
    stacked = _try(lambda: stack(slices), problems)
    header = slices[0].header
    return {
        "slices": len(slices),
        "uid_end": uid[-8:],
        "description": text(header, "SeriesDescription"),
        "position": text(header, "PatientPosition"),
        "size": list(stacked[1].size) if stacked else None,
        "spacing_mm": [round(v, 4) for v in stacked[1].spacing] if stacked else None,
        "used": bool(choice.ct) and choice.ct[0].series_uid == uid,
        "problem": next(iter(problems), None),
    }


def _object(file: DicomFile, used: DicomFile | None, label: str) -> dict[str, Any]:
    return {"file": file.path.name, "label": text(file.header, label), "used": used is file}


def _plan(file: DicomFile, choice: choosing.Choice) -> dict[str, Any]:
    problems: list[str] = []
    plan: Plan | None = _try(lambda: read_rtplan(file.path), problems)
    return _object(file, choice.plan, "RTPlanLabel") | {
        "fractions": list(plan.fractions) if plan else [],
        "beams": len(plan.beams) if plan else 0,
        "prescriptions": [asdict(prescription) for prescription in plan.prescriptions] if plan else [],
        "is_ion": bool(plan and plan.is_ion),
        "problem": next(iter(problems), None),
    }


def _dose(file: DicomFile, choice: choosing.Choice) -> dict[str, Any]:
    problems: list[str] = []
    read = _try(lambda: read_rtdose(file.path), problems)
    return {
        "file": file.path.name,
        "summation": text(file.header, "DoseSummationType"),
        "units": text(file.header, "DoseUnits"),
        "type": text(file.header, "DoseType"),
        "size": list(read.dose.grid.size) if read else None,
        "spacing_mm": [round(v, 4) for v in read.dose.grid.spacing] if read else None,
        "maximum_gy": round(float(read.dose.gray.max()), 3) if read else None,
        "used": file in choice.dose,
        "problem": next(iter(problems), None),
    }


def _structure(structure: Structure) -> dict[str, Any]:
    return {
        "roi": structure.name,
        "type": structure.interpreted_type,
        "contours": len(structure.contours),
        "skipped": list(structure.skipped),
        "volume_cc": round(contour_volume_cc(structure), 2),
    }


def _even_odd_area(polygons: list[np.ndarray]) -> float:
    """mm2: a polygon within an odd number of others is a hole."""
    depths = [sum(_encloses(other, polygon[0]) for other in polygons if other is not polygon) for polygon in polygons]
    return sum(_area(polygon) * (-1) ** depth for polygon, depth in zip(polygons, depths, strict=True))


def _area(polygon: np.ndarray) -> float:
    x, y = (polygon - polygon[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _encloses(polygon: np.ndarray, point: np.ndarray) -> bool:
    """Crossing number of a ray along the first axis."""
    (x, y), (next_x, next_y) = polygon.T, np.roll(polygon, -1, axis=0).T
    crossed = (y > point[1]) != (next_y > point[1])
    at = x[crossed] + (point[1] - y[crossed]) / (next_y[crossed] - y[crossed]) * (next_x[crossed] - x[crossed])
    return bool(np.count_nonzero(at > point[0]) % 2)
