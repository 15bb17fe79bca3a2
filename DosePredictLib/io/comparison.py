"""Two doses of one patient and what is needed to compare them, from files that were named one by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.case import Case
from ..core.errors import GeometryError, InputError
from ..core.grid import Grid
from ..core.structures import StructureSet
from ..core.volumes import DoseGrid, Volume
from .choose import choose
from .ct import read_ct
from .identify import identify
from .rtdose import RtDose, read_rtdose, whole_course
from .rtplan import Plan, read_rtplan
from .rtstruct import RtStruct, read_rtstruct
from .scan import RTSTRUCT, scan
from .targets import find_prescription

PREDICTED, REFERENCE = "predicted", "reference"
FINEST_MM = 2.0  # voxels on which structures are drawn where there is no CT
FARTHEST_MM = 1000.0  # contours further from the dose are damaged, or belong to something else
AIR_HU = -1000.0
CENTIGRAY = (30.0, 300.0)  # maximum / prescription that means a dose in cGy


@dataclass(frozen=True, eq=False)
class ComparedDoses:
    """case: its reference is the dose compared with. header: of the structure set, without contours.

    notes and warnings are free of identifiers but for names of files.
    """

    case: Case
    predicted: DoseGrid
    header: Dataset
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_comparison(
    predicted: Path,
    reference: Path,
    rtstruct: Path,
    *,
    ct: Path | None = None,
    plan: Path | None = None,
    names: Mapping[str, str] | None = None,
    prescription: Mapping[str, float] | None = None,
    in_centigray: Collection[str] = (),
) -> ComparedDoses:
    """Read two RTDOSE, whose grids may differ, with the structures to compare them in.

    ct: a folder, for the pictures. plan: for the prescription. names: model name -> ROI. prescription: ROI -> Gy.
    in_centigray: "predicted", "reference" or both, where a file says Gy and means cGy.
    Raises GeometryError where the files have different frames of reference, InputError where there is no prescription.
    """
    planned_by = read_rtplan(plan) if plan else None
    doses = {PREDICTED: read_rtdose(predicted), REFERENCE: read_rtdose(reference)}
    struct = _in_frame(read_rtstruct(rtstruct), rtstruct, doses[REFERENCE])
    unknown = _check_frames(doses, struct)
    wanted = find_prescription(struct.structures, planned_by, prescription)
    organs = identify(struct.structures, names)
    highest = wanted.prescription.highest_gy
    gray = {which: _gray(which, dose, planned_by, highest, in_centigray=which in in_centigray) for which, dose in doses.items()}
    background = _read_ct(ct, rtstruct) if ct else _air(gray[REFERENCE].grid, struct.structures)
    blank = () if ct else ("No CT was given: the pictures show the dose alone.",)
    return ComparedDoses(
        case=Case(background, struct.structures, wanted.prescription, organs.names, gray[REFERENCE]),
        predicted=gray[PREDICTED],
        header=struct.header,
        notes=(*_said_of(doses, predicted, reference), *wanted.notes, *organs.notes, *blank),
        warnings=(*unknown, *wanted.warnings, *organs.warnings),
    )


def _in_frame(struct: RtStruct, path: Path, dose: RtDose) -> RtStruct:
    """The ROIs drawn in the frame of reference of the dose, where the structure set has several."""
    if len(struct.frames_of_reference) > 1 and dose.frame_of_reference in struct.frames_of_reference:
        return read_rtstruct(path, frame_of_reference=dose.frame_of_reference)
    return struct


def _check_frames(doses: Mapping[str, RtDose], struct: RtStruct) -> tuple[str, ...]:
    """A warning where a dose does not say its frame of reference. Raises GeometryError where two are different."""
    frames = {which: dose.frame_of_reference for which, dose in doses.items() if dose.frame_of_reference}
    if len(set(frames.values())) > 1:
        raise GeometryError(
            "The two doses have different frames of reference, so no point of one is known in the other;"
            " compare doses that were computed on the same CT."
        )
    for which, frame in frames.items():
        if struct.frames_of_reference and frame not in struct.frames_of_reference:
            raise GeometryError(
                f"The {which} dose has another frame of reference than the structure set; name the RTSTRUCT drawn on its CT."
            )
    unknown = [which for which in doses if which not in frames]
    return tuple(f"The {which} dose names no frame of reference; check that it belongs to these structures." for which in unknown)


def _gray(which: str, dose: RtDose, plan: Plan | None, highest_gy: float, *, in_centigray: bool) -> DoseGrid:
    """Of the whole course. Raises InputError for a dose that looks like centigray and was not said to be."""
    if in_centigray:
        dose = replace(dose, dose=DoseGrid(dose.dose.gray / np.float32(100), dose.dose.grid))
    highest = float(dose.dose.gray.max())
    if CENTIGRAY[0] < highest / highest_gy < CENTIGRAY[1]:
        raise InputError(
            f"The maximum of the {which} dose is {highest:.4g} Gy, about 100 times the prescription of {highest_gy:g} Gy:"
            f" is it in cGy? If so, add --in-cgy {which}."
        )
    return whole_course([dose], plan, highest_gy).dose


def _said_of(doses: Mapping[str, RtDose], predicted: Path, reference: Path) -> tuple[str, ...]:
    files = {PREDICTED: predicted.name, REFERENCE: reference.name}
    said = [f"The {which} dose is {files[which]} ({dose.summation}, {dose.dose_type})." for which, dose in doses.items()]
    return (*said, *(note for dose in doses.values() for note in dose.notes))


def _read_ct(folder: Path, rtstruct: Path) -> Volume:
    """The series the structures were drawn on."""
    found = scan([folder, rtstruct])
    series = choose(found, {RTSTRUCT: rtstruct.name}).ct
    if not series:
        raise InputError(f"No CT was found in {folder.name}; name the folder with its slices, or leave --ct out.")
    struct = read_rtstruct(rtstruct)
    if series[0].frame_of_reference and series[0].frame_of_reference not in (*struct.frames_of_reference, ""):
        raise GeometryError("The CT has another frame of reference than the structure set; name the CT it was drawn on.")
    return read_ct(series)


def _air(dose: Grid, structures: StructureSet) -> Volume:
    """What stands in for a CT."""
    grid = grid_around(dose, structures)
    return Volume(np.full(grid.shape, AIR_HU, np.float32), grid)


def grid_around(dose: Grid, structures: StructureSet) -> Grid:
    """Fine voxels around a dose and all structures near it, to draw them on where there is no CT."""
    index = [dose.to_index(contour) for structure in structures for contour in structure.contours]
    reach = FARTHEST_MM / np.array(dose.spacing)
    near = [points for points in index if (points > -reach).all() and (points < np.array(dose.size) + reach).all()]
    low = np.floor(np.min([np.zeros(3), *(points.min(0) - 1 for points in near)], axis=0)).astype(int)
    high = np.ceil(np.max([np.array(dose.size), *(points.max(0) + 2 for points in near)], axis=0)).astype(int)
    first, size = (tuple(int(v) for v in values) for values in (low, high - low))
    whole = dose.cropped((first[0], first[1], first[2]), (size[0], size[1], size[2]))
    divided = [side / max(1, int(np.ceil(side / FINEST_MM - 1e-6))) for side in dose.spacing]
    return whole.resampled((divided[0], divided[1], divided[2]))
