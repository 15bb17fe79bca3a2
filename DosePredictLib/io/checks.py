"""What a person would see at a glance: targets outside the CT, a dose that does not suit its prescription."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..core.errors import GeometryError
from ..core.grid import Grid
from ..core.prescription import Prescription
from ..core.structures import Structure, StructureSet
from .headers import text
from .rtdose import MAXIMUM, RtDose
from .rtplan import Plan
from .rtstruct import RtStruct
from .scan import DicomFile


def check_frame(struct: RtStruct, ct: DicomFile) -> None:
    """Raises GeometryError where the contours are not drawn in the frame of reference of the CT."""
    if ct.frame_of_reference and struct.frames_of_reference and ct.frame_of_reference not in struct.frames_of_reference:
        raise GeometryError("The structure set has another frame of reference than the CT; choose the CT it was drawn on.")


def ct_warnings(struct: RtStruct, slices: Sequence[DicomFile]) -> list[str]:
    """Slices the structure set was drawn on and that are not here, and slices with a rescale of their own."""
    warnings = []
    missing = set(struct.image_uids) - {file.uid for file in slices}
    if missing and len(missing) < len(set(struct.image_uids)):
        warnings.append(
            f"{len(missing)} of the {len(set(struct.image_uids))} CT slices the structure set was drawn on are missing;"
            " check that the CT is complete."
        )
    rescales = Counter((text(file.header, "RescaleSlope"), text(file.header, "RescaleIntercept")) for file in slices)
    if len(rescales) > 1:
        warnings.append("The CT slices have different RescaleSlope or RescaleIntercept; check the HU.")
    return warnings


def target_warnings(prescription: Prescription, structures: StructureSet, grid: Grid) -> list[str]:
    """Of targets partly outside the CT. Raises GeometryError for one that is wholly outside."""
    warnings = []
    for target in prescription.targets:
        inside = grid.contains(_points(structures[target.roi])).mean()
        if inside == 0:
            raise GeometryError(f"The target {target.roi} lies outside the CT; choose the CT it was drawn on.")
        if inside < 1:
            warnings.append(f"{target.roi} lies partly outside the CT ({100 * (1 - inside):.0f} %); the scan is too short.")
    return warnings


def _points(structure: Structure) -> np.ndarray:
    """(n, 3) LPS mm: of the contours, or the centres of the voxels at least half inside."""
    if structure.occupancy is None:
        return np.concatenate(structure.contours)
    filled = np.argwhere(structure.occupancy.array >= 0.5)
    return structure.occupancy.grid.to_world(filled[:, ::-1])


def dose_warnings(dose: RtDose, file: str, plan: Plan | None, prescription: Prescription) -> tuple[str, ...]:
    """A planned dose that belongs to another plan, or whose maximum does not suit the prescription."""
    warnings = []
    if plan and dose.plan_uid and dose.plan_uid != plan.uid:
        warnings.append(f"The dose {file} belongs to another plan than the one read; check that it is the right one.")
    maximum, prescribed = float(dose.dose.gray.max()), prescription.highest_gy
    if not MAXIMUM[0] <= maximum / prescribed <= MAXIMUM[1]:
        warnings.append(
            f"The maximum of the dose {file} is {maximum:.1f} Gy for a prescription of {prescribed:g} Gy; check both."
        )
    return tuple(warnings)
