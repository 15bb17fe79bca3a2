"""The stub plan: no beams, no approval; it exists so that a TPS can hang a predicted dose on something."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RTPlanStorage

from ..core.prescription import Prescription
from .dose_kinds import PLANNED_DOSE, DoseKind
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


def stub_plan(
    *,
    ct_header: Dataset,
    prescription: Prescription | None,
    provenance: Provenance,
    rtstruct_header: Dataset | None = None,
    kind: DoseKind = PLANNED_DOSE,
    number: int = 1,
    created: datetime | None = None,
) -> FileDataset:
    """An RT Plan (PS3.3 A.20) without beams: intent RESEARCH, UNAPPROVED, the prescriptions as dose references.

    rtstruct_header: the structure set the prescriptions' targets are in; without it they are named, not numbered.
    kind: of the dose it is for. number: the how-manieth stub plan of its study, from 1 on.
    """
    created = created or datetime.now()
    plan = new_dataset(RTPlanStorage, created=created)
    copy_patient_and_study(ct_header, plan)
    add_series(plan, "RTPLAN", kind.first_series + 2 * (number - 1), kind.notice, created)
    add_equipment(plan, provenance, created)
    _add_general_plan(plan, rtstruct_header, created)
    plan.RTPlanLabel, plan.RTPlanName = plan_label(kind, number), kind.notice
    if prescription is not None:
        plan.DoseReferenceSequence = target_references(prescription, rtstruct_header)
    plan.FractionGroupSequence = [_no_beams()]
    plan.ApprovalStatus = "UNAPPROVED"
    declare_character_set(plan)
    return plan


def plan_label(kind: DoseKind, number: int) -> str:
    """RTPlanLabel is a short string: 16 characters suffice up to 99."""
    return kind.plan_label if number == 1 else f"{kind.plan_label}_{number}"


def _add_general_plan(plan: Dataset, rtstruct: Dataset | None, created: datetime) -> None:
    """PS3.3 C.8.8.9."""
    plan.RTPlanDescription = "Holds a dose predicted by a neural network. No beams. Research only, not for treatment."
    plan.RTPlanDate, plan.RTPlanTime = date_and_time(created)
    plan.PlanIntent = "RESEARCH"
    plan.RTPlanGeometry = "PATIENT" if rtstruct is not None else "TREATMENT_DEVICE"
    if rtstruct is not None:
        plan.ReferencedStructureSetSequence = [reference(rtstruct)]


def _no_beams() -> Dataset:
    group = Dataset()
    group.FractionGroupNumber = 1
    group.NumberOfFractionsPlanned = None
    group.NumberOfBeams = 0
    group.NumberOfBrachyApplicationSetups = 0
    return group
