"""One patient as chosen in the scene, and what the library makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from slicer.i18n import tr as _

from DosePredictLib.core import Case, DoseGrid, InputError, Prescription, QaCase, StructureSet, Volume
from DosePredictLib.io.identify import Identified, identify
from DosePredictLib.io.rtplan import Plan, PlannedDose
from DosePredictLib.io.targets import FoundPrescription, find_prescription
from DosePredictLib.model_card import MEASURED, predicts

from .dicom_behind import files_behind, plan_behind
from .kinds import MEASURED as MEASURED_KIND
from .kinds import kind_behind
from .scene_structures import segments_of, structures_of
from .scene_volumes import dose_of, volume_of

DOSE_MARK = "DicomRtImport.DoseVolume"  # SlicerRT: vtkSlicerRtCommon


@dataclass(frozen=True, eq=False)
class Patient:
    """Nodes of the scene, and what the user wants of them.

    ct, planned: scalar volume nodes; structures: a segmentation node; plan: SlicerRT's vtkMRMLRTPlanNode.
    names: the model's structure name -> segment name, "" for none; prescription: segment name -> Gy.
    Everything is read from the scene at first use and kept; each property raises InputError where it cannot be had.
    """

    ct: Any
    structures: Any
    planned: Any = None
    plan: Any = None
    names: Mapping[str, str] = field(default_factory=dict)
    prescription: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def volume(self) -> Volume:
        if self.ct is None:
            raise InputError("No CT is chosen; load the planning CT and choose it.")
        return volume_of(self.ct)

    @cached_property
    def structure_set(self) -> StructureSet:
        if self.structures is None:
            raise InputError("No structures are chosen; load the structure set of this CT and choose it.")
        found = structures_of(self.structures, self.ct or self.planned)
        if not len(found):
            raise InputError(f"The segmentation {self.structures.GetName()} has no segments; choose another one.")
        return found

    @cached_property
    def occupancies(self) -> dict[str, Volume]:
        """By segment name, the share of each voxel of the CT inside; those without volume are left out."""
        from DosePredictLib.preprocessing.rasters import rasterise_all

        return rasterise_all(self.structure_set, self.volume.grid).occupancies

    @property
    def volumes_cc(self) -> dict[str, float]:
        """By segment name, of the part inside the CT."""
        return {roi: float(o.array.sum(dtype=float)) * o.grid.voxel_volume_cc for roi, o in self.occupancies.items()}

    @cached_property
    def identified(self) -> Identified:
        wished = {name: roi for name, roi in self.names.items() if not roi or roi in self.structure_set}
        return identify(self.structure_set, wished)

    @cached_property
    def wanted(self) -> FoundPrescription:
        known = {roi: dose for roi, dose in self.prescription.items() if roi in self.structure_set and dose > 0}
        return find_prescription(self.structure_set, self._planned_prescription, known or None)

    @cached_property
    def reference(self) -> DoseGrid | None:
        if self.planned is None:
            return None
        if self.planned.GetAttribute(DOSE_MARK) is None:
            raise InputError(
                f"The volume {self.planned.GetName()} is not marked as a dose in Gy; load it as RTDOSE, or convert it to an RT"
                " dose volume in the subject hierarchy, or choose no planned dose."
            )
        if kind_behind(self.planned) is MEASURED_KIND:
            text = _("{name} is a predicted measured dose; choose the planned one.")
            raise InputError(text.format(name=self.planned.GetName()))
        return dose_of(self.planned)

    @property
    def plan_to_measure(self) -> DoseGrid:
        """The planned dose, for a model that predicts what is measured of it."""
        if self.reference is None:
            raise InputError(_("No planned dose is chosen; choose the dose of the plan whose measurement is to be predicted."))
        if kind_behind(self.planned):
            text = _("{name} is itself a predicted dose, of which nothing will be measured; choose the planned one.")
            raise InputError(text.format(name=self.planned.GetName()))
        if not self.reference.gray.any():
            raise InputError(_("The planned dose is zero everywhere; choose the dose of the whole plan."))
        return self.reference

    def wishing(self, names: Mapping[str, str], prescription: Mapping[str, float]) -> Patient:
        """The same patient with other wishes; what was read from the scene is not read again."""
        other = replace(self, names=names, prescription=prescription)
        for key in ("volume", "structure_set", "occupancies", "reference"):
            if key in self.__dict__:
                other.__dict__[key] = self.__dict__[key]
        return other

    def as_input_of(self, card: Mapping[str, Any]) -> Case | QaCase:
        """All of it, as the model of this card takes it."""
        return self.qa_case if predicts(card) == MEASURED else self.case

    @property
    def case(self) -> Case:
        """For a model of planned dose."""
        return Case(self.volume, self.structure_set, self.wanted.prescription, dict(self.identified.names), self.reference)

    @property
    def qa_case(self) -> QaCase:
        """For a model of measured dose: the planned dose, and what else is chosen."""
        ct = self.volume if self.ct is not None else None
        if self.structures is None:
            return QaCase(self.plan_to_measure, ct)
        return QaCase(self.plan_to_measure, ct, self.structure_set, dict(self.identified.names))

    @cached_property
    def _planned_prescription(self) -> Plan | None:
        """From the RTPLAN's file where that is known; else the one dose SlicerRT's plan node knows."""
        from DosePredictLib.io.rtplan import read_rtplan

        files = files_behind(self.plan) if self.plan is not None else [plan_behind(self.structures)]
        if files and files[0] is not None:
            return read_rtplan(files[0])
        dose = float(self.plan.GetRxDose()) if self.plan is not None else 0.0
        return Plan("RTPLAN", "", (PlannedDose(dose),)) if dose > 0 else None


def state_of(node: Any) -> tuple[Any, ...]:
    """Something that differs after any change of a node of the scene, of its voxels, transform or segments."""
    if node is None or isinstance(node, str):
        return (node,)
    transform = node.GetParentTransformNode()
    state = (node.GetID(), node.GetMTime(), transform.GetMTime() if transform is not None else 0)
    if node.IsA("vtkMRMLSegmentationNode"):
        return (*state, *((key, segment.GetName(), segment.GetMTime()) for key, segment in segments_of(node)))
    return (*state, node.GetImageData().GetMTime() if node.GetImageData() is not None else 0)


def prescription_of(patient: Patient) -> Prescription | None:
    """The prescription where there is one, else None."""
    try:
        return patient.wanted.prescription
    except InputError:
        return None
