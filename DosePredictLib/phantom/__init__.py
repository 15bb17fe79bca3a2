"""A head-and-neck patient made by code: CT, contours, prescription and a planned dose."""

from __future__ import annotations

from pathlib import Path

from ..core import Case, Prescription, Target
from . import anatomy
from .patient import scan_grid, scan_patient
from .plan import plan_dose

__all__ = ["COARSE_MM", "SPACING_MM", "make_phantom", "write_phantom"]

SPACING_MM = (500 / 256, 500 / 256, 3.0)
COARSE_MM = (500 / 100, 500 / 100, 6.0)  # for quick tests: 100 x 100 pixels, 52 slices


def make_phantom(*, seed: int = 0, spacing_mm: tuple[float, float, float] = SPACING_MM, planned: bool = True) -> Case:
    """The synthetic patient; the same seed gives the same patient.

    spacing_mm: of the CT along x, y, z. planned: with the dose of a nine-field plan as reference.
    """
    ct, structures = scan_patient(scan_grid(spacing_mm), seed=seed)
    prescription = Prescription(tuple(Target(name, gray, "phantom") for name, gray in anatomy.PRESCRIPTION_GY.items()))
    names = {name: name for name in structures.names if name not in anatomy.PRESCRIPTION_GY}
    return Case(ct, structures, prescription, names, plan_dose(ct) if planned else None, "phantom")


def write_phantom(
    folder: Path | str,
    *,
    orientation: str = "HFS",
    seed: int = 0,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
    planned: bool = True,
) -> None:
    """The synthetic patient as DICOM (CT, RTSTRUCT, RTPLAN, RTDOSE) in a folder, which is made where it is missing.

    orientation: HFS, HFP, FFS or FFP: how the patient lay in the scanner; the anatomy stays where it is in patient space.
    Raises OutputError where the folder is not writable or already holds such files.
    """
    from .dicom import write_case

    case = make_phantom(seed=seed, spacing_mm=spacing_mm, planned=planned)
    write_case(folder, case, orientation=orientation, salt=f"{seed} {spacing_mm}")
