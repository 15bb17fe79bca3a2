"""A plan before it is measured: what patient-specific quality assurance has of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .structures import StructureSet
from .volumes import DoseGrid, Volume


@dataclass(frozen=True, eq=False)
class QaCase:
    """One plan, free of identifiers, of which a model predicts what would be measured.

    planned: of the whole course. ct: HU, None where there is none. structures: may be empty; names: the model's name for a
    structure (TG-263, e.g. "External") -> the ROI's own name. No prescription: dose is a share of the planned maximum.
    """

    planned: DoseGrid
    ct: Volume | None = None
    structures: StructureSet = field(default_factory=StructureSet)
    names: dict[str, str] = field(default_factory=dict)
