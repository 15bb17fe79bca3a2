"""RT Plan and RT Ion Plan: what was prescribed, in how many fractions, from where (PS3.3 C.8.8.10 to C.8.8.14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import DicomError
from .headers import decimal, integer, items, read_whole, text, value


@dataclass(frozen=True)
class PlannedDose:
    """A target's TargetPrescriptionDose in Gy, whole course; ``roi_number`` where the plan names a ROI."""

    dose_gy: float
    roi_number: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Beam:
    """A treatment beam; angle in degrees and isocentre in LPS mm where the plan has them."""

    number: int
    name: str = ""
    gantry_deg: float | None = None
    isocenter: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """What of a plan concerns a predicted dose. ``fractions`` has one number for each fraction group."""

    label: str
    uid: str
    prescriptions: tuple[PlannedDose, ...] = ()
    fractions: tuple[int, ...] = ()
    beams: tuple[Beam, ...] = ()
    structure_set_uid: str = ""
    is_ion: bool = False
    intent: str = ""

    @property
    def beam_numbers(self) -> frozenset[int]:
        return frozenset(beam.number for beam in self.beams)


def read_rtplan(path: Path) -> Plan:
    """Prescriptions, fractions and beams of a photon, electron or ion plan.

    Raises DicomError for a file that is truncated or damaged.
    """
    dataset = read_whole(path)
    return Plan(
        label=text(dataset, "RTPlanLabel"),
        uid=text(dataset, "SOPInstanceUID"),
        prescriptions=tuple(_prescriptions(dataset, path.name)),
        fractions=tuple(integer(group, "NumberOfFractionsPlanned") for group in items(dataset, "FractionGroupSequence")),
        beams=tuple(_beams(dataset)),
        structure_set_uid=_first_reference(dataset, "ReferencedStructureSetSequence"),
        is_ion="IonBeamSequence" in dataset,
        intent=text(dataset, "PlanIntent"),
    )


def _first_reference(dataset: Dataset, sequence: str) -> str:
    return next((text(item, "ReferencedSOPInstanceUID") for item in items(dataset, sequence)), "")


def _prescriptions(dataset: Dataset, file: str) -> Iterator[PlannedDose]:
    """Targets that are a volume or a site; a prescription to a point (COORDINATES) says nothing of a volume."""
    for reference in items(dataset, "DoseReferenceSequence"):
        dose = decimal(reference, "TargetPrescriptionDose")
        is_target = text(reference, "DoseReferenceType") == "TARGET"
        if not is_target or dose is None or text(reference, "DoseReferenceStructureType") not in ("VOLUME", "SITE"):
            continue
        if not np.isfinite(dose):
            raise DicomError(f"{file} has a TargetPrescriptionDose that is not a number; export the plan again.")
        number = integer(reference, "ReferencedROINumber", -1)
        yield PlannedDose(dose, None if number < 0 else number, text(reference, "DoseReferenceDescription"))


def _beams(dataset: Dataset) -> Iterator[Beam]:
    """Treatment beams only: set-up and verification fields give no dose."""
    for beam in items(dataset, "BeamSequence") or items(dataset, "IonBeamSequence"):
        if text(beam, "TreatmentDeliveryType") not in ("", "TREATMENT", "CONTINUATION"):
            continue
        points = items(beam, "ControlPointSequence") or items(beam, "IonControlPointSequence")
        first = points[0] if points else Dataset()
        yield Beam(
            number=integer(beam, "BeamNumber"),
            name=text(beam, "BeamName"),
            gantry_deg=decimal(first, "GantryAngle"),
            isocenter=_triple(first, "IsocenterPosition"),
        )


def _triple(dataset: Dataset, keyword: str) -> tuple[float, float, float] | None:
    try:
        x, y, z = (float(v) for v in value(dataset, keyword))
    except (TypeError, ValueError):
        return None
    return x, y, z
