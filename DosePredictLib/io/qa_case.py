"""One plan before its measurement, from DICOM objects: the RTDOSE, and where there are CT, structures and plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import DicomError, GeometryError, InputError
from ..core.grid import Grid
from ..core.qa_case import QaCase
from ..core.structures import StructureSet
from ..core.volumes import DoseGrid, Volume
from . import choose as choosing
from .ct import read_ct
from .dose_kinds import NOTICES
from .headers import read_header, text
from .identify import identify
from .rtdose import RtDose, read_rtdose
from .rtstruct import RtStruct, read_rtstruct
from .scan import RTDOSE, DicomFile, Scan, scan

OF_ONE_PLAN = ("PLAN", "PLAN_OVERVIEW")
HIGHEST_GY = 300.0  # no course has a hotter voxel; more is centigray
IRRADIATED = 0.1  # of the maximum


@dataclass(frozen=True, eq=False)
class DicomQaCase:
    """A plan and what the writer and the user need beside it.

    dose_header: of the planned dose, without pixels; rtstruct_header: without contours. Both None without DICOM files.
    notes: what was taken and why; warnings: what a person should check. Both are free of identifiers.
    """

    case: QaCase
    dose_header: Dataset | None = None
    rtstruct_header: Dataset | None = None
    plan_label: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_qa_case(
    paths: Iterable[Path | str],
    *,
    reference: Path | None = None,
    names: Mapping[str, str] | None = None,
    choose: Mapping[str, str] | None = None,
    needs_ct: bool = False,
) -> DicomQaCase:
    """Read the plan found in folders and files; only its RTDOSE must be there, and the CT where ``needs_ct``.

    reference: the file of the planned dose, instead of the one found. names, choose: as in case.load_case.
    Raises InputError (or its GeometryError, DicomError) with one sentence where the plan cannot be used.
    """
    found = scan([*paths, *([reference] if reference else [])])
    if found.unreadable:
        raise InputError(found.unreadable[0])
    choice = choosing.choose(found, _with_reference(choose, reference))
    file = _planned_file(found, choice)
    dose = read_rtdose(file.path)
    _check(dose, file)
    ct, doubts = _ct_of(choice, dose, needed=needs_ct)
    struct, remarks = _structures_of(choice, dose)
    structures = struct.structures if struct else StructureSet()
    organs = identify(structures, names).names if struct else {}
    return DicomQaCase(
        case=QaCase(dose.dose, ct, structures, organs),
        dose_header=read_header(file.path),
        rtstruct_header=struct.header if struct else None,
        plan_label=text(choice.plan.header, "RTPlanLabel") if choice.plan and choice.plan.uid == dose.plan_uid else "",
        notes=(f"The planned dose is {file.path.name} ({dose.summation}, {dose.dose_type}).", *choice.notes),
        warnings=(*choice.warnings, *doubts, *remarks),
    )


def _with_reference(choose: Mapping[str, str] | None, reference: Path | None) -> dict[str, str]:
    """So that the plan is chosen by the dose that was named."""
    named = {RTDOSE: read_rtdose(reference).uid or reference.name} if reference else {}
    return {**(choose or {}), **named}


def _planned_file(found: Scan, choice: choosing.Choice) -> DicomFile:
    if not choice.dose:
        raise InputError(
            f"No RTDOSE of the plan was found among {len(found.files)} DICOM files: a measured dose is predicted from the planned"
            " one; add it, or name it with --reference."
        )
    return choice.dose[0]


def _check(dose: RtDose, file: DicomFile) -> None:
    """Raises DicomError for a dose that no measurement of a plan could be compared with."""
    name = file.path.name
    if text(file.header, "SeriesDescription") in NOTICES:
        raise DicomError(f"The dose {name} is itself a predicted one; name the planned dose with --reference.")
    if dose.summation not in OF_ONE_PLAN:
        raise DicomError(
            f"The dose {name} is of type {dose.summation or 'unknown'}, not that of one whole plan; export the dose of the plan."
        )
    if dose.dose_type == "EFFECTIVE":
        raise DicomError(f"The dose {name} is EFFECTIVE, and what is measured is PHYSICAL; export the physical dose.")
    if (highest := float(dose.dose.gray.max())) > HIGHEST_GY:
        raise DicomError(f"The maximum of the dose {name} is {highest:.4g} Gy, probably in cGy; export it in Gy.")


def _ct_of(choice: choosing.Choice, dose: RtDose, *, needed: bool) -> tuple[Volume | None, tuple[str, ...]]:
    """The CT, and a warning where it does not suit. Raises InputError where one is needed that suits."""
    if not choice.ct:
        return fitting(None, dose.dose, needed=needed)
    if not _differ(choice.ct[0].frame_of_reference, dose.frame_of_reference):
        return fitting(read_ct(choice.ct), dose.dose, needed=needed)
    return _left_out("has another frame of reference than the CT", needed)


def fitting(ct: Volume | None, planned: DoseGrid, *, needed: bool) -> tuple[Volume | None, tuple[str, ...]]:
    """The CT where the dose lies inside it, and a warning where it does not quite; InputError where one is needed that suits."""
    if ct is None:
        if needed:
            raise InputError(
                "No CT was found, and this model looks at it as well as at the planned dose; add the planning CT, or take a model"
                " of mode A."
            )
        return None, ()
    inside = share_inside(ct.grid, planned)
    if inside == 0:
        return _left_out("lies outside the CT", needed)
    short = f"{100 * (1 - inside):.0f} % of the irradiated volume lies outside the CT; the scan is too short."
    return ct, (short,) * (inside < 1)


def _left_out(why: str, needed: bool) -> tuple[None, tuple[str, ...]]:
    if needed:
        raise GeometryError(f"The planned dose {why}; give the CT it was planned on.")
    return None, (f"The planned dose {why}, which is left out.",)


def _structures_of(choice: choosing.Choice, dose: RtDose) -> tuple[RtStruct | None, tuple[str, ...]]:
    if choice.rtstruct is None:
        return None, ()
    struct = read_rtstruct(choice.rtstruct.path)
    frames = struct.frames_of_reference
    if dose.frame_of_reference and frames and dose.frame_of_reference not in frames:
        return None, ("The structure set has another frame of reference than the planned dose and is left out.",)
    if len(frames) > 1:
        struct = read_rtstruct(choice.rtstruct.path, frame_of_reference=dose.frame_of_reference)
    return struct, struct.warnings


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def share_inside(grid: Grid, dose: DoseGrid) -> float:
    """Of the voxels with more than 10 % of the maximum dose, how many lie inside ``grid``; 1 without dose."""
    index = np.argwhere(dose.gray > IRRADIATED * dose.gray.max())[:, ::-1]
    return float(grid.contains(dose.grid.to_world(index)).mean()) if len(index) else 1.0
