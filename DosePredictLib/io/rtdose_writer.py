"""A predicted dose as RT Dose, with the stub plan it refers to (PS3.3 A.18.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RTDoseStorage

from ..core.errors import DicomError, GeometryError, InputError
from ..core.prescription import Prescription
from ..core.volumes import DoseGrid
from .dose_pixels import add_dose_image
from .new_dicom import (
    RESEARCH_NOTICE,
    Provenance,
    add_equipment,
    add_series,
    copy_patient_and_study,
    date_and_time,
    decimal,
    decimals,
    new_dataset,
    reference,
    target_references,
)
from .rtplan_writer import stub_plan
from .whole_files import FileToWrite, check_dose_file, check_plan_file, write_whole

__all__ = ["PROFILES", "DvhCurve", "Provenance", "WrittenFiles", "predicted_dose", "write_rtdose"]

PROFILES = ("stub-plan", "plan", "overview")
SERIES_NUMBER = 9001
LONGEST_DVH = 60_000  # characters; a decimal string element holds 65 534


@dataclass(frozen=True, eq=False)
class DvhCurve:
    """A cumulative dose-volume histogram: volume_cc[n] receives at least n * bin_gy."""

    roi_number: int
    bin_gy: float
    volume_cc: np.ndarray
    minimum_gy: float
    maximum_gy: float
    mean_gy: float


@dataclass(frozen=True)
class WrittenFiles:
    dose: Path
    plan: Path | None = None


def write_rtdose(
    folder: Path | str,
    dose: DoseGrid,
    *,
    ct_header: Dataset,
    provenance: Provenance,
    profile: str = "stub-plan",
    bits: int = 32,
    prescription: Prescription | None = None,
    plan_header: Dataset | None = None,
    rtstruct_header: Dataset | None = None,
    dvhs: Sequence[DvhCurve] = (),
) -> WrittenFiles:
    """Write RD.<uid>.dcm, and RP.<uid>.dcm for the profile "stub-plan", into a folder, whole or not at all.

    ct_header: a slice of the planning CT; patient, study and frame of reference are copied from it.
    profile: what the dose hangs on: "stub-plan", "plan" (``plan_header``, which stays where it is) or "overview" (no plan).
    dvhs: stored only together with ``rtstruct_header``, whose ROI numbers they use.
    Raises InputError for headers that do not fit together, OutputError where the files cannot be written; none is left then.
    """
    stub = None
    if profile == "stub-plan":
        stub = stub_plan(ct_header=ct_header, prescription=prescription, provenance=provenance, rtstruct_header=rtstruct_header)
    dataset = predicted_dose(
        dose, ct_header=ct_header, provenance=provenance, profile=profile, bits=bits, prescription=prescription,
        plan=stub or plan_header, rtstruct_header=rtstruct_header, dvhs=dvhs,
    )  # fmt: skip
    dose_path = Path(folder) / f"RD.{dataset.SOPInstanceUID}.dcm"
    files: list[FileToWrite] = [(dose_path, dataset, partial(check_dose_file, dose=dose))]
    if stub is None:
        write_whole(files)
        return WrittenFiles(dose_path)
    plan_path = Path(folder) / f"RP.{stub.SOPInstanceUID}.dcm"
    write_whole([*files, (plan_path, stub, partial(check_plan_file, plan=stub))])
    return WrittenFiles(dose_path, plan_path)


def predicted_dose(
    dose: DoseGrid,
    *,
    ct_header: Dataset,
    provenance: Provenance,
    profile: str = "stub-plan",
    bits: int = 32,
    prescription: Prescription | None = None,
    plan: Dataset | None = None,
    rtstruct_header: Dataset | None = None,
    dvhs: Sequence[DvhCurve] = (),
    created: datetime | None = None,
) -> FileDataset:
    """The data set of a predicted dose; arguments as for ``write_rtdose``, ``plan`` is the one it refers to."""
    created = created or datetime.now()
    _check_links(ct_header, rtstruct_header, plan, profile)
    dataset = new_dataset(RTDoseStorage, created=created)
    copy_patient_and_study(ct_header, dataset)
    add_series(dataset, "RTDOSE", SERIES_NUMBER, RESEARCH_NOTICE, created)
    add_equipment(dataset, provenance, created)
    _mark_as_predicted(dataset, provenance, created)
    add_dose_image(dataset, dose, bits)
    if profile == "overview":
        _add_overview(dataset, prescription, rtstruct_header)
    else:
        dataset.DoseSummationType = "PLAN"
        dataset.ReferencedRTPlanSequence = [reference(plan)]  # type: ignore[arg-type]
    if dvhs and rtstruct_header is not None:  # one without the other is an error of the RT DVH module
        dataset.ReferencedStructureSetSequence = [reference(rtstruct_header)]
        dataset.DVHSequence = [_dvh_item(curve) for curve in dvhs]
    return dataset


def _check_links(ct: Dataset, rtstruct: Dataset | None, plan: Dataset | None, profile: str) -> None:
    """Everything must be about the same patient space."""
    if profile not in PROFILES:
        raise InputError(f"The export profile '{profile}' is not known; choose one of {', '.join(PROFILES)}.")
    if profile == "plan" and plan is None:
        raise InputError("The export profile 'plan' needs an RTPLAN to refer to and none was found; choose 'stub-plan'.")
    if plan is not None and plan.get("StudyInstanceUID") not in (None, ct.get("StudyInstanceUID")):
        raise DicomError("The RTPLAN belongs to another study than the planning CT; choose the profile 'stub-plan'.")
    for item in [] if rtstruct is None else rtstruct.get("ReferencedFrameOfReferenceSequence") or []:
        if item.get("FrameOfReferenceUID") not in (None, ct.get("FrameOfReferenceUID")):
            raise GeometryError("The structure set lies in another frame of reference than the planning CT; export both again.")


def _mark_as_predicted(dataset: Dataset, provenance: Provenance, created: datetime) -> None:
    """Wherever a treatment planning system may show a text."""
    dataset.ContentDate, dataset.ContentTime = date_and_time(created)
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ImageComments = f"{RESEARCH_NOTICE}. Estimate of a neural network; recalculate in a commissioned system."
    model = f"{provenance.model_id} {provenance.model_version}"
    dataset.DerivationDescription = f"Predicted by {model} from CT, contours and prescription"
    dataset.DoseComment = RESEARCH_NOTICE
    dataset.ContentQualification = "RESEARCH"
    dataset.TissueHeterogeneityCorrection = "IMAGE"  # the doses learned from were calculated on CT


def _add_overview(dataset: Dataset, prescription: Prescription | None, rtstruct: Dataset | None) -> None:
    """DoseSummationType PLAN_OVERVIEW (PS3.3 C.8.8.3, since 2017): a dose without a plan object."""
    dataset.DoseSummationType = "PLAN_OVERVIEW"
    item = Dataset()
    item.PlanOverviewIndex = 1
    item.RTPlanLabel = "AI_PRED_NO_TX"
    item.NumberOfFractionsIncluded = None
    item.PrescriptionOverviewSequence = [] if prescription is None else _prescribed(prescription, rtstruct)
    if rtstruct is not None:
        item.ReferencedStructureSetSequence = [reference(rtstruct)]
    dataset.PlanOverviewSequence = [item]


def _prescribed(prescription: Prescription, rtstruct: Dataset | None) -> list[Dataset]:
    items = []
    for target in target_references(prescription, rtstruct):
        item = Dataset()
        item.EntityLongLabel = target.DoseReferenceDescription
        item.TotalPrescriptionDose = float(target.TargetPrescriptionDose)
        if "ReferencedROINumber" in target:
            item.ReferencedROINumber = target.ReferencedROINumber
        items.append(item)
    return items


def _dvh_item(curve: DvhCurve) -> Dataset:
    """PS3.3 C.8.8.4: pairs of bin width in Gy and the volume at or above the bin's start."""
    roi = Dataset()
    roi.DVHROIContributionType = "INCLUDED"
    roi.ReferencedROINumber = curve.roi_number
    item = Dataset()
    item.DVHReferencedROISequence = [roi]
    item.DVHType, item.DoseUnits, item.DoseType = "CUMULATIVE", "GY", "PHYSICAL"
    item.DVHDoseScaling, item.DVHVolumeUnits = decimal(1), "CM3"
    item.DVHNumberOfBins = len(curve.volume_cc)
    volumes = [f"{volume:.6g}" for volume in curve.volume_cc]
    width = str(decimal(curve.bin_gy))
    if sum(map(len, volumes)) + len(volumes) * (len(width) + 2) > LONGEST_DVH:
        raise InputError(f"A dose-volume histogram of {len(volumes)} bins does not fit into an RT Dose; use wider bins.")
    item.DVHData = [text for volume in volumes for text in (width, volume)]
    item.DVHMinimumDose, item.DVHMaximumDose, item.DVHMeanDose = decimals((curve.minimum_gy, curve.maximum_gy, curve.mean_gy))
    return item
