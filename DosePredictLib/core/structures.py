"""Regions of interest as contours or as occupancy, and the names a model knows them by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .volumes import Volume

OARS = ("Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Esophagus", "Larynx", "Bone_Mandible")  # TG-263
TARGET_SLOTS = ("PTV_High", "PTV_Mid", "PTV_Low")
BODY = "External"


@dataclass(frozen=True, eq=False)
class Structure:
    """One region of interest.

    contours: closed planar polygons, each (n, 3) in LPS mm, as the RTSTRUCT has them; even-odd over a plane.
    occupancy: fraction of each voxel inside, in [0, 1]; only where no contours exist (OpenKBP).
    """

    name: str
    contours: tuple[np.ndarray, ...] = ()
    number: int = 0
    occupancy: Volume | None = None
    interpreted_type: str = ""  # RTROIInterpretedType; a hint only, it is often wrong
    skipped: tuple[str, ...] = ()  # contours left out, by ContourGeometricType

    @property
    def is_empty(self) -> bool:
        if self.occupancy is not None:
            return not self.occupancy.array.any()
        return not self.contours


@dataclass(frozen=True, eq=False)
class StructureSet:
    """The regions of one patient, in the order of the file; names may repeat, numbers may not."""

    structures: tuple[Structure, ...] = ()
    frame_of_reference: str = ""
    _by_name: dict[str, Structure] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for structure in self.structures:
            self._by_name.setdefault(structure.name, structure)

    def __iter__(self) -> Iterator[Structure]:
        return iter(self.structures)

    def __len__(self) -> int:
        return len(self.structures)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Structure:
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(s.name for s in self.structures)
