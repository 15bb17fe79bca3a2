"""Everything a model may look at for one patient."""

from __future__ import annotations

from dataclasses import dataclass, field

from .prescription import Prescription
from .structures import Structure, StructureSet
from .volumes import DoseGrid, Volume


@dataclass(frozen=True, eq=False)
class Case:
    """One patient, free of identifiers.

    ct: HU. names: the model's name for a structure (TG-263, e.g. "Parotid_L", "External") -> the ROI's own name;
    targets are not in it, they are named by the prescription. reference: planned dose, where known.
    """

    ct: Volume
    structures: StructureSet
    prescription: Prescription
    names: dict[str, str] = field(default_factory=dict)
    reference: DoseGrid | None = None
    label: str = "case"

    def structure(self, model_name: str) -> Structure | None:
        """The structure a model calls ``model_name``; None where the patient has none or it is empty."""
        roi = self.names.get(model_name)
        if roi is None or roi not in self.structures or self.structures[roi].is_empty:
            return None
        return self.structures[roi]
