"""One patient's case, from DICOM objects that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from ..core.case import Case
from ..core.errors import GeometryError, InputError
from ..core.prescription import Prescription
from ..core.volumes import DoseGrid
from . import choose as choosing
from .checks import check_frame, ct_warnings, dose_warnings, target_warnings
from .ct import read_ct, stack
from .headers import read_header
from .identify import identify
from .names import NameMatch
from .rtdose import read_rtdose, whole_course
from .rtplan import Plan, read_rtplan
from .rtstruct import RtStruct, read_rtstruct
from .scan import Scan, scan
from .targets import find_prescription


@dataclass(frozen=True, eq=False)
class DicomCase:
    """A case and what the writer and the user need beside it.

    ct_header: the first slice without pixels, None for a case without DICOM files; rtstruct_header: the structure set
    without contours.
    notes: what was taken and why; warnings: what a person should check. Both are free of identifiers.
    """

    case: Case
    ct_header: Dataset | None = None
    rtstruct_header: Dataset | None = None
    plan: Plan | None = None
    matches: tuple[NameMatch, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_case(
    paths: Path | str | Iterable[Path | str],
    *,
    names: Mapping[str, str] | None = None,
    prescription: Mapping[str, float] | None = None,
    choose: Mapping[str, str] | None = None,
    reference: Path | None = None,
) -> DicomCase:
    """Read the case found in folders and files.

    names: model name -> ROI, over what is recognised; "" for none. prescription: ROI -> Gy, instead of what is found.
    choose: see choose.choose. reference: the file of the planned dose, instead of the one found.
    Raises InputError (or its GeometryError, DicomError) with one sentence where the case cannot be used.
    """
    found = scan(paths)
    choice = _choice(found, choose)
    slices, grid = stack(choice.ct)
    struct = _read_struct(choice)
    structures = struct.structures
    plan = read_rtplan(choice.plan.path) if choice.plan else None
    wanted = find_prescription(structures, plan, prescription)
    doubts = [*ct_warnings(struct, slices), *struct.warnings, *target_warnings(wanted.prescription, structures, grid)]
    organs = identify(structures, names)
    planned = _planned_dose(choice, plan, wanted.prescription, reference)
    case = Case(read_ct(slices), structures, wanted.prescription, organs.names, planned.dose)
    return DicomCase(
        case=case,
        ct_header=read_header(slices[0].path),
        rtstruct_header=struct.header,
        plan=plan,
        matches=organs.matches,
        notes=(*choice.notes, *wanted.notes, *organs.notes, *planned.notes),
        warnings=(*choice.warnings, *wanted.warnings, *doubts, *organs.warnings, *planned.warnings),
    )


@dataclass(frozen=True, eq=False)
class _PlannedDose:
    dose: DoseGrid | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _choice(found: Scan, wished: Mapping[str, str] | None) -> choosing.Choice:
    choice = choosing.choose(found, wished)
    if sentence := choosing.missing(found, choice):
        raise InputError(sentence)
    return choice


def _read_struct(choice: choosing.Choice) -> RtStruct:
    assert choice.rtstruct is not None  # _choice has made sure
    struct = read_rtstruct(choice.rtstruct.path)
    check_frame(struct, choice.ct[0])
    if len(struct.frames_of_reference) == 1:
        return struct
    return read_rtstruct(choice.rtstruct.path, frame_of_reference=choice.ct[0].frame_of_reference)


def _planned_dose(choice: choosing.Choice, plan: Plan | None, prescription: Prescription, reference: Path | None) -> _PlannedDose:
    """The planned dose of the whole course. In another frame of reference than the CT it is refused only where it was named."""
    paths = [Path(reference)] if reference else [file.path for file in choice.dose]
    if not paths:
        return _PlannedDose()
    doses = [read_rtdose(path) for path in paths]
    name, frame = paths[0].name, choice.ct[0].frame_of_reference
    if any(dose.frame_of_reference and frame and dose.frame_of_reference != frame for dose in doses):
        sentence = f"The dose {name} has another frame of reference than the CT"
        if reference:
            raise GeometryError(f"{sentence}; name the dose planned on this CT.")
        return _PlannedDose(warnings=(f"{sentence} and is not used.",))
    dose = whole_course(doses, plan, prescription.highest_gy)
    notes = (f"The planned dose is {name} ({dose.summation}, {dose.dose_type}).", *dose.notes)
    return _PlannedDose(dose.dose, notes, dose_warnings(dose, name, plan, prescription))
