"""A predicted dose as RT Dose, with the stub plan it refers to (PS3.3 A.18.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RTDoseStorage

from ..core.errors import DicomError, GeometryError, InputError
from ..core.prescription import Prescription
from ..core.volumes import DoseGrid
from .dose_kinds import MEASURED_DOSE, PLANNED_DOSE, DoseKind
from .dose_pixels import add_dose_image
from .new_dicom import (
    Provenance,
    add_equipment,
    add_series,
    copy_patient_and_study,
    date_and_time,
    declare_character_set,
    new_dataset,
    reference,
    target_references,
)
from .rtdose_dvh import DvhCurve, add_dvhs
from .rtplan_writer import plan_label, stub_plan
from .whole_files import FileToWrite, check_dose_file, check_plan_file, write_whole

__all__ = [
    "MEASURED_DOSE", "PLANNED_DOSE", "PROFILES", "DoseKind", "DvhCurve", "Export", "Provenance", "WrittenFiles", "predicted_dose",
    "write_rtdose",
]  # fmt: skip

PROFILES = ("stub-plan", "plan", "overview")


@dataclass(frozen=True, eq=False)
class Export:
    """Everything a dose is written with, beside the dose itself.

    ct_header: a slice of the planning CT; patient, study and frame of reference are copied from it. For a measured dose the
    planned dose it was predicted from serves as well. kind: PLANNED_DOSE or MEASURED_DOSE.
    profile: what the dose hangs on: "stub-plan" (written beside it), "plan" (``plan_header``, which stays where it is) or
    "overview" (none). bits: 32 or 16. number: the how-manieth predicted dose of its study, from 1 on.
    dvhs: stored only together with ``rtstruct_header``, whose ROI numbers they use.
    Raises InputError for a profile that is unknown or lacks its plan, and for headers that do not fit together.
    """

    ct_header: Dataset
    provenance: Provenance
    kind: DoseKind = PLANNED_DOSE
    profile: str = "stub-plan"
    bits: int = 32
    number: int = 1
    prescription: Prescription | None = None
    plan_header: Dataset | None = None
    rtstruct_header: Dataset | None = None
    dvhs: Sequence[DvhCurve] = ()
    created: datetime = field(default_factory=datetime.now)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise InputError(f"The export profile '{self.profile}' is not known; choose one of {', '.join(PROFILES)}.")
        if self.profile == "plan" and self.plan_header is None:
            raise InputError("The export profile 'plan' needs an RTPLAN to refer to and none was found; choose 'stub-plan'.")
        study, frame = (self.ct_header.get(keyword) for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"))
        if self.plan_header is not None and self.plan_header.get("StudyInstanceUID") not in (None, study):
            raise DicomError("The RTPLAN belongs to another study than the planning CT; choose the profile 'stub-plan'.")
        drawn = [] if self.rtstruct_header is None else self.rtstruct_header.get("ReferencedFrameOfReferenceSequence") or []
        if any(item.get("FrameOfReferenceUID") not in (None, frame) for item in drawn):
            raise GeometryError("The structure set lies in another frame of reference than the planning CT; export both again.")


@dataclass(frozen=True)
class WrittenFiles:
    dose: Path
    plan: Path | None = None


def write_rtdose(folder: Path | str, dose: DoseGrid, export: Export) -> WrittenFiles:
    """Write RD.<uid>.dcm, and RP.<uid>.dcm for the profile "stub-plan", into a folder, whole or not at all.

    Raises OutputError where the files cannot be written or read back differently; none is left then.
    """
    stub = _new_stub_plan(export) if export.profile == "stub-plan" else None
    dataset = predicted_dose(dose, export, export.plan_header if export.profile == "plan" else stub)
    dose_path = Path(folder) / f"RD.{dataset.SOPInstanceUID}.dcm"
    files: list[FileToWrite] = [(dose_path, dataset, partial(check_dose_file, dose=dose))]
    if stub is None:
        write_whole(files)
        return WrittenFiles(dose_path)
    plan_path = Path(folder) / f"RP.{stub.SOPInstanceUID}.dcm"
    write_whole([(plan_path, stub, partial(check_plan_file, plan=stub)), *files])
    return WrittenFiles(dose_path, plan_path)


def predicted_dose(dose: DoseGrid, export: Export, plan: Dataset | None) -> FileDataset:
    """The data set of a predicted dose that refers to ``plan``; without one it carries an overview of the prescription."""
    dataset = new_dataset(RTDoseStorage, created=export.created)
    copy_patient_and_study(export.ct_header, dataset)
    add_series(dataset, "RTDOSE", export.kind.first_series + 2 * export.number - 1, export.kind.notice, export.created)
    add_equipment(dataset, export.provenance, export.created)
    _mark_as_predicted(dataset, export)
    add_dose_image(dataset, dose, export.bits)
    if plan is None:
        _add_overview(dataset, export)
    else:
        dataset.DoseSummationType = "PLAN"
        dataset.ReferencedRTPlanSequence = [reference(plan)]
    if export.rtstruct_header is not None:
        add_dvhs(dataset, export.dvhs, export.rtstruct_header)
    declare_character_set(dataset)
    return dataset


def _new_stub_plan(export: Export) -> FileDataset:
    return stub_plan(
        ct_header=export.ct_header,
        prescription=export.prescription,
        provenance=export.provenance,
        rtstruct_header=export.rtstruct_header,
        kind=export.kind,
        number=export.number,
        created=export.created,
    )


def _mark_as_predicted(dataset: Dataset, export: Export) -> None:
    """Wherever a treatment planning system may show a text."""
    dataset.ContentDate, dataset.ContentTime = date_and_time(export.created)
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    kind, made_by = export.kind, export.provenance
    trained = f" Trained on {made_by.training_data}." if made_by.training_data else ""
    dataset.ImageComments = f"{kind.notice}. {kind.comment}{trained}"
    dataset.DerivationDescription = f"Predicted by {made_by.model_id} {made_by.model_version} from {kind.made_from}"
    dataset.DoseComment = kind.notice
    dataset.ContentQualification = "RESEARCH"
    if kind == PLANNED_DOSE:
        dataset.TissueHeterogeneityCorrection = "IMAGE"  # the doses learned from were calculated on CT


def _add_overview(dataset: Dataset, export: Export) -> None:
    """DoseSummationType PLAN_OVERVIEW: a dose without a plan object (PS3.3 C.8.8.3; types as of 2023b)."""
    dataset.DoseSummationType = "PLAN_OVERVIEW"
    item = Dataset()
    item.PlanOverviewIndex = 1
    item.RTPlanLabel = plan_label(export.kind, export.number)
    item.TreatmentSite, item.TreatmentSiteCodeSequence = None, []  # type 2: there, not known
    item.PrescriptionOverviewSequence = _prescribed(export)
    if export.rtstruct_header is not None:
        item.ReferencedStructureSetSequence = [reference(export.rtstruct_header)]
    dataset.PlanOverviewSequence = [item]


def _prescribed(export: Export) -> list[Dataset]:
    items = []
    for target in target_references(export.prescription, export.rtstruct_header):
        item = Dataset()
        item.EntityLongLabel = target.DoseReferenceDescription
        item.TotalPrescriptionDose = float(target.TargetPrescriptionDose)
        if "ReferencedROINumber" in target:
            item.ReferencedROINumber = target.ReferencedROINumber
        items.append(item)
    return items
