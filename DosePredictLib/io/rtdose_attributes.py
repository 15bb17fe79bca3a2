"""What an RT Dose must hold: the type 1 and type 2 attributes of its modules (PS3.3 A.18.3) and their enumerated values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from .dose_pixels import GRID_FRAME_OFFSET_VECTOR
from .findings import ERROR, WARNING, Finding
from .headers import integer, items, text, value

OF_A_PLAN = ("PLAN", "MULTI_PLAN")
OF_A_FRACTION = ("FRACTION", "BEAM", "BRACHY", "FRACTION_SESSION", "BEAM_SESSION", "BRACHY_SESSION", "CONTROL_POINT")
OF_A_BEAM = ("BEAM", "BEAM_SESSION", "CONTROL_POINT")
SUMMATIONS = (*OF_A_PLAN, *OF_A_FRACTION, "PLAN_OVERVIEW", "RECORD")


def has_grid(dose: Dataset) -> bool:
    """An RT Dose may hold dose-volume histograms only; everything else is a grid."""
    return any(keyword in dose for keyword in ("PixelData", "Rows", "DoseGridScaling")) or not items(dose, "DVHSequence")


def has_frames(dose: Dataset) -> bool:
    offsets = value(dose, "GridFrameOffsetVector")
    return has_grid(dose) and (integer(dose, "NumberOfFrames", 1) > 1 or (isinstance(offsets, MultiValue) and len(offsets) > 1))


def has_dvhs(dose: Dataset) -> bool:
    return "DVHSequence" in dose or "ReferencedStructureSetSequence" in dose


def summed_over(*types: str) -> Callable[[Dataset], bool]:
    return lambda dose: text(dose, "DoseSummationType") in types


@dataclass(frozen=True)
class Required:
    """Attributes of type 1 (there, with a value) or 2 (there) of one module, where ``when`` holds."""

    source: str
    type: int
    keywords: str
    when: Callable[[Dataset], bool] = lambda dose: True


IOD = (
    Required("PS3.3 C.12.1", 1, "SOPClassUID SOPInstanceUID"),
    Required("PS3.3 C.7.1.1", 2, "PatientName PatientID PatientBirthDate PatientSex"),
    Required("PS3.3 C.7.2.1", 1, "StudyInstanceUID"),
    Required("PS3.3 C.7.2.1", 2, "StudyDate StudyTime ReferringPhysicianName StudyID AccessionNumber"),
    Required("PS3.3 C.8.8.1", 1, "Modality SeriesInstanceUID"),
    Required("PS3.3 C.8.8.1", 2, "SeriesNumber OperatorsName"),
    Required("PS3.3 C.7.4.1", 1, "FrameOfReferenceUID"),
    Required("PS3.3 C.7.4.1", 2, "PositionReferenceIndicator"),
    Required("PS3.3 C.7.5.1", 2, "Manufacturer"),
    Required("PS3.3 C.7.6.1", 2, "InstanceNumber", has_grid),
    Required("PS3.3 C.7.6.2", 1, "PixelSpacing ImageOrientationPatient ImagePositionPatient", has_grid),
    Required("PS3.3 C.7.6.2", 2, "SliceThickness", has_grid),
    Required("PS3.3 C.7.6.3", 1, "SamplesPerPixel PhotometricInterpretation Rows Columns PixelData", has_grid),
    Required("PS3.3 C.7.6.3", 1, "BitsAllocated BitsStored HighBit PixelRepresentation", has_grid),
    Required("PS3.3 C.7.6.6", 1, "NumberOfFrames FrameIncrementPointer", has_frames),
    Required("PS3.3 C.8.8.3", 1, "DoseUnits DoseType DoseSummationType"),
    Required("PS3.3 C.8.8.3", 1, "DoseGridScaling", has_grid),
    Required("PS3.3 C.8.8.3", 1, "GridFrameOffsetVector", has_frames),
    Required("PS3.3 C.8.8.3", 1, "ReferencedRTPlanSequence", summed_over(*OF_A_PLAN, *OF_A_FRACTION)),
    Required("PS3.3 C.8.8.3", 1, "ReferencedTreatmentRecordSequence", summed_over("RECORD")),
    Required("PS3.3 C.8.8.3", 1, "PlanOverviewSequence", summed_over("PLAN_OVERVIEW")),
    Required("PS3.3 C.8.8.4", 1, "DVHSequence ReferencedStructureSetSequence", has_dvhs),
)

REFERENCE = (Required("PS3.3 10.8", 1, "ReferencedSOPClassUID ReferencedSOPInstanceUID"),)
ITEMS = {
    "ReferencedRTPlanSequence": REFERENCE,
    "ReferencedStructureSetSequence": REFERENCE,
    "ReferencedTreatmentRecordSequence": REFERENCE,
    "ReferencedInstanceSequence": REFERENCE,
    "ReferencedImageSequence": REFERENCE,
    "ReferencedFractionGroupSequence": (Required("PS3.3 C.8.8.3", 1, "ReferencedFractionGroupNumber"),),
    "ReferencedBeamSequence": (Required("PS3.3 C.8.8.3", 1, "ReferencedBeamNumber"),),
    "PlanOverviewSequence": (
        Required("PS3.3 C.8.8.3", 1, "PlanOverviewIndex"),
        Required("PS3.3 C.8.8.3", 2, "RTPlanLabel TreatmentSite TreatmentSiteCodeSequence PrescriptionOverviewSequence"),
    ),
    "PrescriptionOverviewSequence": (Required("PS3.3 C.8.8.3", 1, "TotalPrescriptionDose"),),
    "DVHSequence": (
        Required("PS3.3 C.8.8.4", 1, "DVHReferencedROISequence DVHType DoseUnits DoseType DVHDoseScaling"),
        Required("PS3.3 C.8.8.4", 1, "DVHVolumeUnits DVHNumberOfBins DVHData"),
    ),
    "DVHReferencedROISequence": (Required("PS3.3 C.8.8.4", 1, "DVHROIContributionType ReferencedROINumber"),),
    "ContributingEquipmentSequence": (Required("PS3.3 C.12.1", 1, "PurposeOfReferenceCodeSequence Manufacturer"),),
    "PurposeOfReferenceCodeSequence": (Required("PS3.3 8.8", 1, "CodeMeaning"),),
}

VALUES: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
    (ERROR, "PS3.3 C.8.8.1", "Modality", ("RTDOSE",)),
    (ERROR, "PS3.3 C.8.8.3.4.1", "SamplesPerPixel", (1,)),
    (ERROR, "PS3.3 C.8.8.3.4.2", "PhotometricInterpretation", ("MONOCHROME2",)),
    (ERROR, "PS3.3 C.8.8.3.4.3", "BitsAllocated", (16, 32)),
    (ERROR, "PS3.3 C.8.8.3", "DoseUnits", ("GY", "RELATIVE")),
    (WARNING, "PS3.3 C.8.8.3", "DoseType", ("PHYSICAL", "EFFECTIVE", "ERROR")),  # defined terms: others are legal
    (WARNING, "PS3.3 C.8.8.3", "DoseSummationType", SUMMATIONS),
)


def attribute_findings(dose: Dataset) -> Iterator[Finding]:
    """Attributes that are missing, empty or hold what they may not."""
    yield from _missing(dose, IOD, "")
    yield from _missing_in_items(dose, "")
    yield from _unknown_values(dose)
    yield from _bits(dose)
    yield from _parts_of_the_plan(dose)


def _missing(dataset: Dataset, rules: tuple[Required, ...], path: str) -> Iterator[Finding]:
    for rule in rules:
        for keyword in rule.keywords.split() if rule.when(dataset) else ():
            if keyword not in dataset:
                yield Finding(ERROR, path + keyword, f"is missing (type {rule.type})", rule.source)
            elif rule.type == 1 and _is_empty(value(dataset, keyword)):
                yield Finding(ERROR, path + keyword, "is empty (type 1: it must have a value)", rule.source)


def _missing_in_items(dataset: Dataset, path: str) -> Iterator[Finding]:
    for keyword in dataset.dir():
        for number, item in enumerate(items(dataset, keyword), 1):
            here = f"{path}{keyword}[{number}]."
            yield from _missing(item, ITEMS.get(keyword, ()), here)
            yield from _missing_in_items(item, here)


def _is_empty(found: Any) -> bool:
    return found is None or (hasattr(found, "__len__") and len(found) == 0)


def _unknown_values(dose: Dataset) -> Iterator[Finding]:
    for severity, source, keyword, allowed in VALUES:
        found = value(dose, keyword)
        if not _is_empty(found) and found not in allowed:
            choice = " or ".join(str(term) for term in allowed)
            yield Finding(severity, keyword, f"is {found}, not {choice}", source)


def _bits(dose: Dataset) -> Iterator[Finding]:
    """PS3.3 C.8.8.3.4.4 to .6."""
    allocated, stored = integer(dose, "BitsAllocated"), integer(dose, "BitsStored")
    if "PixelData" not in dose or not allocated:
        return
    if stored != allocated:
        yield Finding(ERROR, "BitsStored", f"is {stored}, not BitsAllocated ({allocated})", "PS3.3 C.8.8.3.4.4")
    if integer(dose, "HighBit") != stored - 1:
        yield Finding(ERROR, "HighBit", f"is {integer(dose, 'HighBit')}, not BitsStored - 1", "PS3.3 C.8.8.3.4.5")
    signed, wanted = integer(dose, "PixelRepresentation"), int(text(dose, "DoseType") == "ERROR")
    if signed != wanted:
        rule = f"is {signed}, not {wanted}: only a DoseType ERROR is signed"
        yield Finding(ERROR, "PixelRepresentation", rule, "PS3.3 C.8.8.3.4.6")
    if has_frames(dose) and value(dose, "FrameIncrementPointer") not in (None, "", GRID_FRAME_OFFSET_VECTOR):
        yield Finding(ERROR, "FrameIncrementPointer", "does not point to GridFrameOffsetVector", "PS3.3 C.8.8.3")


def _parts_of_the_plan(dose: Dataset) -> Iterator[Finding]:
    """A dose of less than a plan says of what part."""
    summation = text(dose, "DoseSummationType")
    plans = items(dose, "ReferencedRTPlanSequence")
    if summation == "MULTI_PLAN" and len(plans) == 1:
        yield Finding(ERROR, "ReferencedRTPlanSequence", "has one item; MULTI_PLAN needs two or more", "PS3.3 C.8.8.3")
    rule = f"is missing, the dose is that of a {summation}"
    for plan in plans if summation in OF_A_FRACTION else ():
        groups = items(plan, "ReferencedFractionGroupSequence")
        where = "ReferencedRTPlanSequence[1].ReferencedFractionGroupSequence"
        if not groups:
            yield Finding(ERROR, where, rule, "PS3.3 C.8.8.3")
        elif summation in OF_A_BEAM and not any(items(group, "ReferencedBeamSequence") for group in groups):
            yield Finding(ERROR, f"{where}[1].ReferencedBeamSequence", rule, "PS3.3 C.8.8.3")
