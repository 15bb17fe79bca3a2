"""What no table of types sees: whether an RT Dose agrees with itself and with the objects beside it. Twelve checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..core.errors import DosePredictError
from ..core.grid import Grid
from .ct import stack
from .findings import ERROR, NOTE, WARNING, Finding
from .geometry import patient_axes
from .headers import decimal, integer, items, numbers, text, value
from .rtdose import OFFSET_MM, WHOLE, dose_grid
from .rtdose_attributes import has_frames
from .rtdose_subject import Subject
from .rtstruct import referenced_frames

PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
HIGHEST_RATIO = 1.3  # maximum dose / highest prescription; clinical plans stay below about 1.15
HOT = 0.5  # of the maximum
SAME_DIRECTION = 1e-3
ROUNDING = 1.05  # a maximum between voxels may be a little higher than the highest voxel


def offsets_of_frames(subject: Subject) -> Iterator[Finding]:
    """As many offsets as frames, the first 0, rising evenly."""
    keyword, source = "GridFrameOffsetVector", "PS3.3 C.8.8.3.2"
    frames = integer(subject.dose, "NumberOfFrames", 1)
    if not has_frames(subject.dose) or not value(subject.dose, keyword):
        return
    offsets = numbers(subject.dose, keyword, None, subject.file)
    if len(offsets) != frames:
        yield Finding(ERROR, keyword, f"has {len(offsets)} offsets for {frames} frames", source)
        return
    steps = np.diff(offsets)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        yield Finding(ERROR, keyword, "neither rises nor falls from frame to frame", source)
    elif np.ptp(steps) > OFFSET_MM:
        yield Finding(WARNING, keyword, f"is uneven ({np.abs(steps).min():g} to {np.abs(steps).max():g} mm)", source)
    if steps[0] < 0:
        yield Finding(WARNING, keyword, "falls: some readers turn such a dose upside down", source)
    if offsets[0] != 0 and abs(offsets[0] - numbers(subject.dose, "ImagePositionPatient", 3, subject.file)[2]) < OFFSET_MM:
        yield Finding(WARNING, keyword, "holds positions; offsets that start at 0 are strongly recommended", source)
    elif offsets[0] != 0:
        yield Finding(ERROR, keyword, f"starts at {offsets[0]:g}, neither 0 nor the position of the first frame", source)


def frame_of_reference(subject: Subject) -> Iterator[Finding]:
    """Dose, CT and structure set share one."""
    keyword, own, source = "FrameOfReferenceUID", text(subject.dose, "FrameOfReferenceUID"), "PS3.3 C.7.4.1.1.1"
    if own and subject.ct and subject.ct[0].frame_of_reference != own:
        yield Finding(ERROR, keyword, "is not that of the CT", source)
    if own and subject.rtstruct is not None and own not in referenced_frames(subject.rtstruct):
        yield Finding(ERROR, keyword, "is not one the structure set was drawn in", source)


def patient_and_study(subject: Subject) -> Iterator[Finding]:
    """All objects are of one patient; and of one study, or a planning system may keep them apart."""
    for kind, other in subject.family:
        for keyword in PATIENT:
            if text(subject.dose, keyword) != text(other, keyword):
                yield Finding(ERROR, keyword, f"is not that of the {kind}", "PS3.3 C.7.1.1")
        if text(subject.dose, "StudyInstanceUID") != text(other, "StudyInstanceUID"):
            yield Finding(WARNING, "StudyInstanceUID", f"is not that of the {kind}", "PS3.3 C.7.2.1")


def orientation(subject: Subject) -> Iterator[Finding]:
    """Two perpendicular unit vectors, those of the CT."""
    if not value(subject.dose, "ImageOrientationPatient"):
        return
    axes = patient_axes(subject.dose, subject.file)
    if subject.ct and not np.allclose(patient_axes(subject.ct[0].header, "the CT"), axes, atol=SAME_DIRECTION):
        yield Finding(WARNING, "ImageOrientationPatient", "is not that of the CT", "PS3.3 C.7.6.2.1.1")


def inside_the_ct(subject: Subject) -> Iterator[Finding]:
    """The centres of all voxels lie in the CT, give or take one voxel."""
    if not subject.ct or not has_frames(subject.dose):
        return
    keyword, source = "ImagePositionPatient", "PS3.3 C.7.6.2.1.1"
    (_, ct), (dose, _) = stack(subject.ct), dose_grid(subject.dose, subject.file)
    beyond = _farthest_outside_mm(ct, dose.corners)
    if np.any(ct.corners.max(axis=0) < dose.corners.min(axis=0)) or np.any(dose.corners.max(axis=0) < ct.corners.min(axis=0)):
        yield Finding(ERROR, keyword, "the dose lies wholly outside the CT", source)
    elif beyond > max(*dose.spacing, *ct.spacing):
        yield Finding(WARNING, keyword, f"the dose reaches {beyond:.1f} mm beyond the CT", source)


def plausible_maximum(subject: Subject) -> Iterator[Finding]:
    """Not far above what the plan prescribes."""
    for plan in subject.own_plans if text(subject.dose, "DoseSummationType") in WHOLE else []:
        prescribed = [decimal(item, "TargetPrescriptionDose") or 0 for item in items(plan, "DoseReferenceSequence")]
        highest, maximum = max(prescribed, default=0), subject.maximum_gy
        if highest and maximum and maximum > HIGHEST_RATIO * highest:
            said = f"makes a maximum of {maximum:.2f} Gy, more than {HIGHEST_RATIO:g} times the {highest:g} Gy prescribed"
            yield Finding(WARNING, "DoseGridScaling", said, "plausibility")


def positive_scaling(subject: Subject) -> Iterator[Finding]:
    """A finite number above 0, or there is no dose in the pixels."""
    scaling = decimal(subject.dose, "DoseGridScaling")
    if "PixelData" in subject.dose and (scaling is None or not np.isfinite(scaling) or scaling <= 0):
        yield Finding(ERROR, "DoseGridScaling", "is not a positive number", "PS3.3 C.8.8.3")


def pixels(subject: Subject) -> Iterator[Finding]:
    """As many as the header says, none negative, not all zero."""
    held = value(subject.dose, "PixelData")
    if not held:
        return
    if subject.native_bytes is not None and not 0 <= len(held) - subject.native_bytes <= 1:  # padded to an even length
        said = f"has {len(held)} bytes, not {subject.native_bytes} as Rows, Columns, NumberOfFrames and BitsAllocated say"
        yield Finding(ERROR, "PixelData", said, "PS3.5 8")
    elif subject.stored is None:
        yield Finding(ERROR, "PixelData", "cannot be decoded", "PS3.5 8")
    elif subject.stored.min() < 0 and text(subject.dose, "DoseType") != "ERROR":
        yield Finding(ERROR, "PixelData", "has negative voxels", "PS3.3 C.8.8.3.4.6")
    elif not subject.stored.any():
        yield Finding(WARNING, "PixelData", "is zero everywhere", "plausibility")


def no_wrapped_voxel(subject: Subject) -> Iterator[Finding]:
    """No voxel of 0 whose six neighbours are hot: the mark of a maximum rounded past the largest integer."""
    stored = subject.stored
    if stored is None or min(stored.shape) < 3 or not stored.any():
        return
    hot = stored > HOT * float(stored.max())
    wrapped = stored[1:-1, 1:-1, 1:-1] == 0
    for axis in range(3):
        for start in (0, 2):
            window = [slice(1, -1)] * 3
            window[axis] = slice(start, stored.shape[axis] - 2 + start)
            wrapped &= hot[tuple(window)]
    if count := int(wrapped.sum()):
        yield Finding(ERROR, "PixelData", f"has {count} voxels of 0 amid high dose: integers that overflowed", "PS3.5 8")


def one_instance(subject: Subject) -> Iterator[Finding]:
    """The file names the instance it holds, and no two of its UIDs are the same."""
    meta = getattr(subject.dose, "file_meta", None)
    named = text(meta, "MediaStorageSOPInstanceUID") if meta is not None else ""
    if named and named != text(subject.dose, "SOPInstanceUID"):
        yield Finding(ERROR, "MediaStorageSOPInstanceUID", "is not SOPInstanceUID", "PS3.10 7.1")
    levels = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    uids = [uid for level in levels if (uid := text(subject.dose, level))]
    if len(set(uids)) < len(uids):
        yield Finding(ERROR, "SOPInstanceUID", "instance, series, study or frame of reference share one UID", "PS3.5 9")


def references(subject: Subject) -> Iterator[Finding]:
    """The plan a dose hangs on is there, and the ROIs of its histograms."""
    for number, item in enumerate(items(subject.dose, "ReferencedRTPlanSequence"), 1):
        uid, where = text(item, "ReferencedSOPInstanceUID"), f"ReferencedRTPlanSequence[{number}]"
        if uid and uid not in subject.plans:
            said = "the plan is not among the files: give it too, and import it before the dose"
            yield Finding(NOTE, where, said, "PS3.3 C.8.8.3")
        elif uid and text(subject.plans[uid], "SOPClassUID") != text(item, "ReferencedSOPClassUID"):
            yield Finding(ERROR, f"{where}.ReferencedSOPClassUID", "is not that of the plan", "PS3.3 10.8")
    sets = [text(item, "ReferencedSOPInstanceUID") for item in items(subject.dose, "ReferencedStructureSetSequence")]
    if subject.rtstruct is None or not sets:
        return
    if text(subject.rtstruct, "SOPInstanceUID") not in sets:
        yield Finding(WARNING, "ReferencedStructureSetSequence", "refers to another structure set", "PS3.3 C.8.8.4")
        return
    known = {integer(roi, "ROINumber", -1) for roi in items(subject.rtstruct, "StructureSetROISequence")}
    for number in sorted(_rois_with_histogram(subject) - known):
        yield Finding(ERROR, "DVHReferencedROISequence", f"ROI {number} is not in the structure set", "PS3.3 C.8.8.4")


def histograms(subject: Subject) -> Iterator[Finding]:
    """As many pairs as bins, volumes that fall, and doses that the grid has."""
    source, highest = "PS3.3 C.8.8.4", subject.maximum_gy
    for number, curve in enumerate(items(subject.dose, "DVHSequence"), 1):
        where, bins = f"DVHSequence[{number}].", integer(curve, "DVHNumberOfBins")
        data = numbers(curve, "DVHData", None, subject.file) if value(curve, "DVHData") else np.zeros(2 * bins)
        if len(data) != 2 * bins or bins < 1:
            yield Finding(ERROR, f"{where}DVHData", f"has {len(data)} values for {bins} bins", source)
        elif text(curve, "DVHType") == "CUMULATIVE" and np.any(np.diff(data[1::2]) > 1e-3 * data[1]):
            yield Finding(ERROR, f"{where}DVHData", "is CUMULATIVE and its volumes rise", source)
        maximum = decimal(curve, "DVHMaximumDose")
        if maximum and highest and text(curve, "DoseUnits") == "GY" and maximum > ROUNDING * highest:
            said = f"is {maximum:g} Gy, the grid has {highest:.2f} Gy at most: perhaps percent"
            yield Finding(WARNING, f"{where}DVHMaximumDose", said, source)


CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    offsets_of_frames, frame_of_reference, patient_and_study, orientation, inside_the_ct, plausible_maximum,
    positive_scaling, pixels, no_wrapped_voxel, one_instance, references, histograms,
)  # fmt: skip


def consistency_findings(subject: Subject) -> Iterator[Finding]:
    """Of all twelve; one that cannot be made says why."""
    for check in CHECKS:
        try:
            yield from check(subject)
        except DosePredictError as error:
            yield Finding(ERROR, check.__name__, str(error), "PS3.3 A.18.3")


def _rois(subject: Subject) -> set[int]:
    return (
        {integer(roi, "ROINumber", -1) for roi in items(subject.rtstruct, "StructureSetROISequence")}
        if subject.rtstruct
        else set()
    )


def _rois_with_histogram(subject: Subject) -> set[int]:
    curves = items(subject.dose, "DVHSequence")
    return {integer(roi, "ReferencedROINumber", -1) for curve in curves for roi in items(curve, "DVHReferencedROISequence")}


def _farthest_outside_mm(grid: Grid, points: np.ndarray) -> float:
    """Of points, how far the farthest lies outside the volume of ``grid``."""
    index = grid.to_index(points)
    outside = np.maximum(-0.5 - index, index - (np.array(grid.size) - 0.5))
    return float((np.maximum(outside, 0) * grid.spacing).max())
