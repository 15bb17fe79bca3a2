"""A head-and-neck patient made by code: CT, contours, prescription and a planned dose."""

from __future__ import annotations

from ..core import Case, Prescription, Target
from . import anatomy
from .patient import scan_grid, scan_patient
from .plan import plan_dose

SPACING_MM = (500 / 256, 500 / 256, 3.0)


def make_phantom(*, seed: int = 0, spacing_mm: tuple[float, float, float] = SPACING_MM) -> Case:
    grid = scan_grid(spacing_mm)
    ct, structures = scan_patient(grid, seed=seed)
    prescription = Prescription(tuple(Target(name, gray, "phantom") for name, gray in anatomy.PRESCRIPTION_GY.items()))
    names = {name: name for name in structures.names if not name.startswith("PTV")}
    return Case(ct, structures, prescription, names, plan_dose(ct), "phantom")
