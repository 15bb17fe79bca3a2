"""One patient's case, from DICOM objects that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from ..core.case import Case
from ..core.errors import DicomError, GeometryError, InputError
from ..core.prescription import Prescription
from ..core.structures import BODY, OARS
from ..core.volumes import DoseGrid
from .checks import check_targets_inside, side_warnings
from . import choose as choosing
from .ct import read_ct, stack
from .headers import read_header
from .names import NameMatch, disputes, match_names, names_of
from .rtdose import RtDose, read_rtdose, whole_course
from .rtplan import Plan, read_rtplan
from .rtstruct import RtStruct, read_rtstruct
from .scan import DicomFile, Scan, scan
from .targets import find_prescription


@dataclass(frozen=True, eq=False)
class DicomCase:
    """A case and what the writer and the user need beside it.

    ct_header: the first slice without pixels; rtstruct_header: the structure set without contours.
    notes: what was taken and why; warnings: what a person should check. Both are free of identifiers.
    """

    case: Case
    ct_header: Dataset
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
    _, grid = stack(choice.ct)
    frame = choice.ct[0].frame_of_reference
    struct = _read_struct(choice.rtstruct, frame)
    structures = struct.structures
    plan = read_rtplan(choice.plan.path) if choice.plan else None
    wanted = find_prescription(structures, plan, prescription)
    target_warnings = check_targets_inside(wanted.prescription, structures, grid)
    matches = match_names(structures, names)
    known, name_notes = _with_body(names_of(matches), structures, names or {})
    dose, dose_notes, dose_warnings = _planned_dose(choice, plan, wanted.prescription, frame, reference)
    case = Case(read_ct(choice.ct), structures, wanted.prescription, known, dose)
    warnings = (
        *_scan_warnings(found), *choice.warnings, *wanted.warnings, *target_warnings, *disputes(matches, structures),
        *_missing_organs(known), *side_warnings(case), *dose_warnings,
    )  # fmt: skip
    notes = (*choice.notes, *wanted.notes, *name_notes, *dose_notes)
    return DicomCase(case, read_header(choice.ct[0].path), struct.header, plan, matches, notes, warnings)


def _choice(found: Scan, wished: Mapping[str, str] | None) -> choosing.Choice:
    choice = choosing.choose(found, wished)
    if sentence := choosing.missing(found, choice):
        raise InputError(sentence)
    return choice


def _read_struct(file: DicomFile | None, ct_frame: str) -> RtStruct:
    assert file is not None  # _choice has made sure
    struct = read_rtstruct(file.path)
    if ct_frame and struct.frames_of_reference and ct_frame not in struct.frames_of_reference:
        raise GeometryError(
            f"The structure set {file.path.name} has another frame of reference than the CT; choose the CT it was drawn on."
        )
    return read_rtstruct(file.path, frame_of_reference=ct_frame) if len(struct.frames_of_reference) > 1 else struct


def _with_body(known: dict[str, str], structures, wished: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The body, where no name tells it, is the one ROI of type EXTERNAL: planning systems keep that type right."""
    if BODY in known or BODY in wished:
        return known, ()
    outlines = [s.name for s in structures if s.interpreted_type == "EXTERNAL" and not s.is_empty]
    if len(outlines) != 1:
        return known, ()
    return {**known, BODY: outlines[0]}, (f"{outlines[0]} is taken as the body: it is the ROI of type EXTERNAL.",)


def _missing_organs(known: Mapping[str, str]) -> list[str]:
    absent = [name for name in (BODY, *OARS) if name not in known]
    return [f"Not found among the ROIs: {', '.join(absent)}."] if absent else []


def _scan_warnings(found: Scan) -> list[str]:
    return [f"{', '.join(found.unreadable)} cannot be read as DICOM and is left out."] if found.unreadable else []


def _planned_dose(
    choice: choosing.Choice, plan: Plan | None, prescription: Prescription, ct_frame: str, reference: Path | None
) -> tuple[DoseGrid | None, tuple[str, ...], tuple[str, ...]]:
    """The planned dose of the whole course, notes, warnings. A dose in another frame of reference is refused where it was named."""
    paths = [reference] if reference else [file.path for file in choice.dose]
    if not paths:
        return None, (), ()
    doses: list[RtDose] = [read_rtdose(path) for path in paths]
    name = paths[0].name
    if any(d.frame_of_reference and ct_frame and d.frame_of_reference != ct_frame for d in doses):
        if reference:
            raise GeometryError(f"The dose {name} has another frame of reference than the CT; name the dose planned on this CT.")
        return None, (), (f"The dose {name} has another frame of reference than the CT and is not used.",)
    dose = whole_course(doses, plan, prescription.highest_gy)
    warnings = []
    if plan and dose.plan_uid and dose.plan_uid != plan.uid:
        warnings.append(f"The dose {name} belongs to another plan than the one read; check that it is the right one.")
    if not 0.5 <= float(dose.dose.gray.max()) / prescription.highest_gy <= 1.6:
        warnings.append(
            f"The maximum of the dose {name} is {float(dose.dose.gray.max()):.1f} Gy for a prescription of {prescription.highest_gy:g} Gy; check both."
        )
    return dose.dose, (f"The planned dose is {name} ({dose.summation}, {dose.dose_type}).", *dose.notes), tuple(warnings)
