"""An RT Dose under test, with what lies beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from .headers import decimal, integer, items, read_header, text
from .scan import DicomFile

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@dataclass(frozen=True, eq=False)
class Subject:
    """ct: slices of the planning CT; plans: headers by SOPInstanceUID; any of them may be unknown."""

    dose: Dataset
    file: str
    ct: Sequence[DicomFile] = ()
    rtstruct: Dataset | None = None
    plans: Mapping[str, Dataset] = field(default_factory=dict)

    @cached_property
    def stored(self) -> np.ndarray | None:
        """The integers [frame, row, column]; None where they cannot be had."""
        try:
            array = self.dose.pixel_array
        except Exception:  # pydicom's decoders raise many kinds
            return None
        return array if array.ndim == 3 else array[np.newaxis]

    @property
    def native_bytes(self) -> int | None:
        """What the pixels must fill; None where they are compressed."""
        meta = getattr(self.dose, "file_meta", Dataset())
        if text(meta, "TransferSyntaxUID") not in NATIVE:
            return None
        sides = [integer(self.dose, keyword, 1) for keyword in ("NumberOfFrames", "Rows", "Columns", "SamplesPerPixel")]
        return math.prod(sides) * integer(self.dose, "BitsAllocated") // 8

    @cached_property
    def maximum_gy(self) -> float | None:
        """None where it is not in Gy or cannot be had."""
        scaling = decimal(self.dose, "DoseGridScaling")
        in_gray = text(self.dose, "DoseUnits") == "GY"
        return float(self.stored.max()) * scaling if in_gray and scaling and self.stored is not None else None

    @property
    def own_plans(self) -> list[Dataset]:
        """Those of ``plans`` the dose refers to."""
        uids = [text(item, "ReferencedSOPInstanceUID") for item in items(self.dose, "ReferencedRTPlanSequence")]
        return [self.plans[uid] for uid in uids if uid in self.plans]

    @cached_property
    def family(self) -> list[tuple[str, Dataset]]:
        """What must be of the same patient, with a word for each."""
        found = [("CT", read_header(self.ct[0].path))] if self.ct else []
        found += [("structure set", self.rtstruct)] if self.rtstruct is not None else []
        return found + [("plan", plan) for plan in self.own_plans]
