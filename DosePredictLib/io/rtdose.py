"""RT Dose: scaled, on its grid, in Gy of the whole course (PS3.3 C.8.8.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import DicomError, GeometryError
from ..core.grid import Grid
from ..core.volumes import DoseGrid
from .geometry import patient_axes, plane_grid
from .headers import decimal, integer, items, numbers, read_whole, text, value
from .rtplan import Plan

OFFSET_MM = 0.01  # frames may be this far from an even spacing
WHOLE = ("PLAN", "MULTI_PLAN", "PLAN_OVERVIEW")
PARTS = ("FRACTION", "FRACTION_SESSION", "BEAM", "BEAM_SESSION")
MAXIMUM = (0.85, 1.6)  # plausible maximum dose of a course / its highest prescription
LONGEST_CODE = 16  # characters of a code string (CS); what is longer is damage
SINGLE_FRAME_MM = 1.0  # thickness of a plane that does not state one


@dataclass(frozen=True, eq=False)
class RtDose:
    """A dose and what it is the dose of."""

    dose: DoseGrid
    summation: str  # DoseSummationType
    dose_type: str  # PHYSICAL or EFFECTIVE
    plan_uid: str = ""
    beams: frozenset[int] = frozenset()
    frame_of_reference: str = ""
    uid: str = ""
    notes: tuple[str, ...] = ()


def read_rtdose(path: Path) -> RtDose:
    """A dose as stored: of a plan, a fraction group or a beam, see ``summation``.

    Gy = DoseGridScaling * stored value, computed in float64, kept as float32. Raises DicomError for other units than GY,
    differences (ERROR), files without pixels or truncated ones; GeometryError for irregular frames.
    """
    dataset = read_whole(path)
    _refuse_other_than_gray(dataset, path.name)
    grid, descending = dose_grid(dataset, path.name)
    gray = _scaled_pixels(dataset, path.name)
    if gray.shape != grid.shape:
        raise DicomError(
            f"The pixels of {path.name} have shape {gray.shape}, not {grid.shape} as its header says; export it again."
        )
    plans = items(dataset, "ReferencedRTPlanSequence")
    effective = text(dataset, "DoseType") == "EFFECTIVE"
    return RtDose(
        dose=DoseGrid(gray[::-1] if descending else gray, grid),
        summation=text(dataset, "DoseSummationType"),
        dose_type=text(dataset, "DoseType"),
        plan_uid=text(plans[0], "ReferencedSOPInstanceUID") if plans else "",
        beams=frozenset(_referenced_beams(plans)),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        uid=text(dataset, "SOPInstanceUID"),
        notes=("The planned dose is EFFECTIVE (weighted for biological effect), not PHYSICAL.",) if effective else (),
    )


def dose_grid(header: Dataset, file: str) -> tuple[Grid, bool]:
    """The grid of a dose, and whether its frames run against the normal and must be reversed.

    GridFrameOffsetVector holds offsets from the first frame, or the z coordinates of the frames (PS3.3 C.8.8.3.2).
    Raises GeometryError for a vector of another length than the frames, or one that is not evenly spaced.
    """
    axes = patient_axes(header, file)
    origin = numbers(header, "ImagePositionPatient", 3, file)
    offsets = _frame_offsets(header, axes, origin, file)
    descending = len(offsets) > 1 and offsets[-1] < offsets[0]
    if descending:
        offsets = offsets[::-1]
    step = (
        (offsets[-1] - offsets[0]) / (len(offsets) - 1)
        if len(offsets) > 1
        else decimal(header, "SliceThickness") or SINGLE_FRAME_MM
    )
    even = offsets[0] + step * np.arange(len(offsets))
    if step <= 0 or np.abs(offsets - even).max() > OFFSET_MM:
        raise GeometryError(f"The frames of {file} are not evenly spaced; export the dose on a regular grid.")
    return plane_grid(header, axes, origin + offsets[0] * axes[:, 2], len(offsets), step, file), descending


def whole_course(doses: Sequence[RtDose], plan: Plan | None, prescribed_gy: float) -> RtDose:
    """The dose of all fractions and beams, from one PLAN dose or from the BEAM or FRACTION doses of one plan.

    prescribed_gy: the highest prescription; it tells a dose of the whole course from that of one fraction.
    Raises DicomError where the doses are not known to be the whole course, GeometryError where their grids differ.
    """
    first = doses[0]
    if first.summation in WHOLE:
        return first
    if first.summation not in PARTS:
        raise DicomError(f"A dose of type {first.summation or 'unknown'} is no dose of a course; export that of the plan.")
    if plan is None:
        raise DicomError(f"The dose is of type {first.summation} and its plan is absent; add the RTPLAN.")
    if first.summation in ("BEAM", "BEAM_SESSION"):
        first = _sum_of_beams(doses, plan)
    elif len(plan.fractions) != 1 or len(doses) != 1:
        raise DicomError(
            f"{len(doses)} {first.summation} doses for {len(plan.fractions)} fraction groups: export the dose of the plan."
        )
    return _of_all_fractions(first, plan, prescribed_gy)


def _refuse_other_than_gray(dataset: Dataset, file: str) -> None:
    if text(dataset, "Modality") != "RTDOSE":
        raise DicomError(f"{file} is not an RTDOSE; name the file of the dose.")
    if (unit := text(dataset, "DoseUnits")) != "GY":
        raise DicomError(
            f"The dose units of {file} are {unit[:LONGEST_CODE] or 'missing'}, not GY: a relative dose cannot be compared"
            " with a prediction; export it in Gy, or leave it out."
        )
    if text(dataset, "DoseType") == "ERROR":
        raise DicomError(f"{file} is a dose difference (DoseType ERROR), not a dose; leave it out.")


def _frame_offsets(header: Dataset, axes: np.ndarray, origin: np.ndarray, file: str) -> np.ndarray:
    """Offsets of the frames from ImagePositionPatient along the normal, mm."""
    frames = max(1, integer(header, "NumberOfFrames", 1))
    if frames == 1:
        return np.zeros(1)
    vector = numbers(header, "GridFrameOffsetVector", frames, file)
    if vector[0] == 0:
        return vector
    if abs(vector[0] - origin[2]) < OFFSET_MM and abs(axes[2, 2]) > 0.999:
        return (vector - vector[0]) * np.sign(axes[2, 2])
    raise GeometryError(f"The GridFrameOffsetVector of {file} starts neither at 0 nor at the first frame; export it again.")


def _scaled_pixels(dataset: Dataset, file: str) -> np.ndarray:
    """Gy, float32 [k, j, i]."""
    scaling = numbers(dataset, "DoseGridScaling", 1, file)[0]
    if not value(dataset, "PixelData"):
        raise DicomError(f"{file} has no dose values (PixelData is empty); export the dose again.")
    try:
        stored = dataset.pixel_array
    except Exception as error:  # pydicom's decoders raise many kinds
        raise DicomError(f"The dose values of {file} cannot be decoded ({type(error).__name__}); export it again.") from None
    gray = (stored * float(scaling)).astype(np.float32)
    return gray if gray.ndim == 3 else gray[np.newaxis]


def _referenced_beams(plans: Sequence[Dataset]):
    for plan in plans:
        for group in items(plan, "ReferencedFractionGroupSequence"):
            yield from (integer(beam, "ReferencedBeamNumber", -1) for beam in items(group, "ReferencedBeamSequence"))


def _sum_of_beams(doses: Sequence[RtDose], plan: Plan) -> RtDose:
    beams = [number for dose in doses for number in dose.beams]
    if sorted(beams) != sorted(plan.beam_numbers):
        raise DicomError(
            f"There are doses of beams {sorted(beams)}, the plan has {sorted(plan.beam_numbers)}; export the dose of the plan."
        )
    grid = doses[0].dose.grid
    if not all(dose.dose.grid.matches(grid) for dose in doses):
        raise GeometryError("The beam doses of the plan lie on different grids; export the dose of the plan.")
    total = np.asarray(sum(dose.dose.gray.astype(float) for dose in doses), dtype=np.float32)
    note = f"The planned dose is the sum of the doses of all {len(beams)} beams of the plan."
    return replace(doses[0], dose=DoseGrid(total, grid), beams=frozenset(beams), notes=(*doses[0].notes, note))


def _of_all_fractions(dose: RtDose, plan: Plan, prescribed_gy: float) -> RtDose:
    """FRACTION and BEAM are whole deliveries by the standard and one fraction in some systems: the maximum tells which."""
    fractions = sum(plan.fractions)
    share = float(dose.dose.gray.max()) / prescribed_gy
    if MAXIMUM[0] <= share <= MAXIMUM[1]:
        return dose
    if not MAXIMUM[0] <= share * fractions <= MAXIMUM[1]:
        raise DicomError(
            f"The {dose.summation} dose has a maximum of {dose.dose.gray.max():.2f} Gy, and suits neither the {prescribed_gy:g}"
            f" Gy prescribed nor one of {fractions} fractions of it; export the dose of the plan."
        )
    note = f"The planned dose was that of one fraction ({dose.summation}) and is multiplied by {fractions} fractions."
    return replace(dose, dose=DoseGrid(dose.dose.gray * np.float32(fractions), dose.dose.grid), notes=(*dose.notes, note))
