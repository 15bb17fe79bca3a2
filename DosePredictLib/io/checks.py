"""What a person would see at a glance: targets outside the CT, left and right exchanged."""

from __future__ import annotations

import numpy as np

from ..core.case import Case
from ..core.errors import GeometryError
from ..core.grid import Grid
from ..core.prescription import Prescription
from ..core.structures import BODY, OARS, Structure, StructureSet

MIDLINE_MM = 5.0


def check_targets_inside(prescription: Prescription, structures: StructureSet, grid: Grid) -> list[str]:
    """Warnings for targets partly outside the CT. Raises GeometryError for one that is wholly outside."""
    warnings = []
    for target in prescription.targets:
        inside = grid.contains(np.concatenate(structures[target.roi].contours)).mean()
        if inside == 0:
            raise GeometryError(f"The target {target.roi} lies outside the CT; choose the CT it was drawn on.")
        if inside < 1:
            warnings.append(f"{100 * (1 - inside):.0f} % of the contour points of {target.roi} lie outside the CT; the scan is too short.")
    return warnings


def side_warnings(case: Case) -> list[str]:
    """A left organ lies at larger x (LPS) than its right one, and on the left of the body's middle."""
    warnings = []
    for stem in sorted({name[:-2] for name in (*OARS, *case.names) if name.endswith(("_L", "_R"))}):
        left, right = case.structure(f"{stem}_L"), case.structure(f"{stem}_R")
        if left and right:
            if centre_x(left) <= centre_x(right):
                warnings.append(f"{left.name} lies to the right of {right.name}: the two seem to be exchanged.")
        elif one := left or right:
            warnings += _beyond_midline(case, one, left is not None)
    return warnings


def centre_x(structure: Structure) -> float:
    """The middle of the extent along patient left, mm (LPS)."""
    points = np.concatenate(structure.contours)
    return float(points[:, 0].min() + points[:, 0].max()) / 2


def _beyond_midline(case: Case, organ: Structure, is_left: bool) -> list[str]:
    body = case.structure(BODY)
    if body is None:
        return []
    beyond = (centre_x(body) - centre_x(organ)) * (1 if is_left else -1)
    side = "left" if is_left else "right"
    return [f"{organ.name} is named a {side} organ and lies on the other side of {body.name}; check the name."] if beyond > MIDLINE_MM else []
