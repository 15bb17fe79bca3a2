"""Which ROI is which organ, and what about that a person should look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.structures import BODY, OARS, Structure, StructureSet
from .names import NameMatch, disputes, match_names, names_of

MIDLINE_MM = 5.0


@dataclass(frozen=True)
class Identified:
    """names: model name -> ROI, of what is certain; ``matches`` has every ROI, suggestions too."""

    names: dict[str, str]
    matches: tuple[NameMatch, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def identify(structures: StructureSet, wished: Mapping[str, str] | None = None) -> Identified:
    """Organs by name, the body also by type, and left and right checked against each other.

    wished: see names.match_names, whose InputError it passes on.
    """
    matches = match_names(structures, wished)
    known, notes = names_of(matches), []
    outline = _outline(structures)
    if outline and BODY not in known and BODY not in (wished or {}):
        known[BODY] = outline.name
        notes.append(f"{outline.name} is taken as the body: it is the ROI of type EXTERNAL.")
    absent = [name for name in (BODY, *OARS) if name not in known]
    missing = [f"Not found among the ROIs: {', '.join(absent)}."] if absent else []
    warnings = (*disputes(matches, structures), *missing, *side_warnings(structures, known))
    return Identified(known, matches, tuple(notes), warnings)


def side_warnings(structures: StructureSet, names: Mapping[str, str]) -> list[str]:
    """A left organ lies at larger x (LPS) than its right one, and on the left of the body's middle."""
    found = {name: structures[roi] for name, roi in names.items() if structures[roi].contours}
    warnings: list[str] = []
    for stem in sorted({name[:-2] for name in found if name.endswith(("_L", "_R"))}):
        left, right = found.get(f"{stem}_L"), found.get(f"{stem}_R")
        if left and right:
            if centre_x(left) <= centre_x(right):
                warnings.append(f"{left.name} lies to the right of {right.name}: the two seem to be exchanged.")
        elif BODY in found:
            warnings += _beyond_midline(found[BODY], left, right)
    return warnings


def centre_x(structure: Structure) -> float:
    """The middle of the extent along patient left, mm (LPS)."""
    points = np.concatenate(structure.contours)
    return float(points[:, 0].min() + points[:, 0].max()) / 2


def _outline(structures: StructureSet) -> Structure | None:
    """The one ROI of type EXTERNAL: planning systems keep that type right, whatever the name."""
    outlines = [s for s in structures if s.interpreted_type == "EXTERNAL" and not s.is_empty]
    return outlines[0] if len(outlines) == 1 else None


def _beyond_midline(body: Structure, left: Structure | None, right: Structure | None) -> list[str]:
    if left and centre_x(left) < centre_x(body) - MIDLINE_MM:
        return [f"{left.name} is named a left organ and lies in the right half of {body.name}; check the name."]
    if right and centre_x(right) > centre_x(body) + MIDLINE_MM:
        return [f"{right.name} is named a right organ and lies in the left half of {body.name}; check the name."]
    return []
