"""What must hold before a dose is predicted, what a person should look at, and what is well: one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib.core import DosePredictError, GeometryError, InputError
from DosePredictLib.io.checks import target_warnings
from DosePredictLib.io.qa_case import HIGHEST_GY
from DosePredictLib.io.rtdose import MAXIMUM
from DosePredictLib.model_card import MEASURED, is_simulated, predicts, sees_ct
from DosePredictLib.registry import ModelInfo

from . import plausible_volumes
from .dicom_behind import files_behind
from .patient import Patient, prescription_of
from .wording import for_panel

AIR_HU, BONE_HU = -500, 100  # any CT of a patient has voxels below the one and above the other
SAMPLE = 4  # every fourth voxel tells


class Level(Enum):
    """How a check came out."""

    GOOD = "good"
    DOUBT = "doubt"
    STOP = "stop"


@dataclass(frozen=True)
class Check:
    level: Level
    sentence: str


def check(patient: Patient, model: ModelInfo, *, outside_domain: bool = False) -> list[Check]:
    """All checks of a patient, in the order of the panel; ``Level.STOP`` among them means that nothing can be predicted."""
    if predicts(model.card) == MEASURED:
        found = [*_of_a_plan_to_measure(patient, model), *_check_dicom(_("the planned dose"), patient.planned, patient.ct)]
    else:
        found = [*_of_a_patient_to_plan(patient, model, outside_domain), *_check_dicom(_("the CT"), patient.ct)]
    return list(dict.fromkeys(Check(one.level, for_panel(one.sentence)) for one in found))  # a missing CT stops several steps


def obstacles(checks: list[Check]) -> list[str]:
    """The sentences that keep a dose from being predicted."""
    return [check.sentence for check in checks if check.level is Level.STOP]


def _of_a_patient_to_plan(patient: Patient, model: ModelInfo, outside_domain: bool) -> list[Check]:
    steps = (
        _check_ct, _check_structures, _check_same_patient, _check_volumes, _check_prescription, _check_field_of_view,
        _check_planned,
    )  # fmt: skip
    found = [result for step in steps for result in _attempt(step, patient)]
    if not any(result.level is Level.STOP for result in found):
        found += _attempt(lambda p: _check_required(p, model), patient)
        found += _attempt(lambda p: _check_domain(p, model, outside_domain), patient)
    return found


def _of_a_plan_to_measure(patient: Patient, model: ModelInfo) -> list[Check]:
    """The model of a measured dose sees the planned one; no prescription and no names of organs are needed."""
    steps = (
        _check_plan_to_measure, lambda p: _check_ct_of_plan(p, model), _check_curves, _check_same_patient,
        lambda _p: _check_learned(model),
    )  # fmt: skip
    return [result for step in steps for result in _attempt(step, patient)]


def _attempt(step: Any, patient: Patient) -> list[Check]:
    """What a step finds; what it raises is a reason to stop."""
    try:
        return list(step(patient))
    except DosePredictError as error:
        return [Check(Level.STOP, str(error))]


def _check_ct(patient: Patient) -> Iterator[Check]:
    grid, values = patient.volume.grid, patient.volume.array[::SAMPLE, ::SAMPLE, ::SAMPLE]
    if abs(grid.axes[2, 2]) < 0.999:
        raise GeometryError(_("The CT is not axial; load the axial series the structures were drawn on."))
    if values.min() > AIR_HU or values.max() < BONE_HU:
        text = _("The CT has values from {low:.0f} to {high:.0f}, which do not look like HU; check that it is a CT.")
        yield Check(Level.DOUBT, text.format(low=values.min(), high=values.max()))
    else:
        i, j, k = grid.size
        size = "×".join(f"{v:.3g}" for v in grid.spacing)
        yield Check(Level.GOOD, _("CT: {i}×{j}×{k} voxels of {size} mm, axial, in HU.").format(i=i, j=j, k=k, size=size))


def _check_structures(patient: Patient) -> Iterator[Check]:
    painted = [s.name for s in patient.structure_set if s.occupancy is not None and not s.is_empty]
    found, targets = patient.identified, prescription_of(patient)
    prescribed = {target.roi for target in targets.targets} if targets else set()
    unused = len(set(patient.structure_set.names) - prescribed - set(found.names.values()))
    text = _("Structures: {names} recognised, {targets} with a prescription, {unused} not used.")
    yield Check(Level.GOOD, text.format(names=len(found.names), targets=len(prescribed), unused=unused))
    if painted:
        names = ", ".join(painted)
        yield Check(Level.DOUBT, _("Without contours, taken from the voxels they were painted on: {names}.").format(names=names))
    for warning in found.warnings:
        yield Check(Level.DOUBT, warning)


def _check_same_patient(patient: Patient) -> Iterator[Check]:
    chosen = {_("the CT"): patient.ct, _("the structures"): patient.structures, _("the planned dose"): patient.planned}
    known = {what: owner for what, node in chosen.items() if node is not None and (owner := _patient_item(node))}
    if len(set(known.values())) > 1:
        text = _("{what} belong to different patients; choose those of one patient.")
        raise GeometryError(text.format(what=_(" and ").join(known)).capitalize())
    yield from ()


def _check_volumes(patient: Patient) -> Iterator[Check]:
    for doubt in plausible_volumes.doubts(patient.identified.names, patient.volumes_cc):
        yield Check(Level.DOUBT, doubt)


def _patient_item(node: Any) -> int:
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(node), level)


def _check_prescription(patient: Patient) -> Iterator[Check]:
    targets = patient.wanted.prescription.targets
    listed = ", ".join(f"{target.roi} {target.dose_gy:g} Gy" for target in targets)
    yield Check(Level.GOOD, _("Prescription: {targets}.").format(targets=listed))
    for warning in patient.wanted.warnings:
        yield Check(Level.DOUBT, warning)


def _check_field_of_view(patient: Patient) -> Iterator[Check]:
    for warning in target_warnings(patient.wanted.prescription, patient.structure_set, patient.volume.grid):
        yield Check(Level.DOUBT, warning)


def _check_planned(patient: Patient) -> Iterator[Check]:
    dose = patient.reference
    if dose is None:
        return
    _refuse_dose_elsewhere(patient)
    highest, prescribed = float(dose.gray.max()), patient.wanted.prescription.highest_gy
    if not MAXIMUM[0] <= highest / prescribed <= MAXIMUM[1]:
        text = _("The maximum of the planned dose is {highest:.1f} Gy for a prescription of {prescribed:g} Gy; check both.")
        yield Check(Level.DOUBT, text.format(highest=highest, prescribed=prescribed))


def _check_plan_to_measure(patient: Patient) -> Iterator[Check]:
    dose = patient.plan_to_measure
    highest = float(dose.gray.max())
    if highest > HIGHEST_GY:
        text = _("The maximum of the planned dose is {highest:.0f} Gy, probably in cGy; load it in Gy.")
        raise InputError(text.format(highest=highest))
    i, j, k = dose.grid.size
    size = "×".join(f"{v:.3g}" for v in dose.grid.spacing)
    text = _("Planned dose: {i}×{j}×{k} voxels of {size} mm, maximum {highest:.1f} Gy.")
    yield Check(Level.GOOD, text.format(i=i, j=j, k=k, size=size, highest=highest))


def _check_ct_of_plan(patient: Patient, model: ModelInfo) -> Iterator[Check]:
    if patient.ct is None:
        if sees_ct(model.card):
            raise InputError(_("No CT is chosen, and this model looks at it as well as at the planned dose; choose it."))
        return
    yield from _check_ct(patient)
    _refuse_dose_elsewhere(patient)


def _check_curves(patient: Patient) -> Iterator[Check]:
    if patient.structures is None:
        yield Check(Level.GOOD, _("No structures: there will be no dose-volume histograms."))
    else:
        text = _("Structures: {n}, for histograms only.")
        yield Check(Level.GOOD, text.format(n=len(patient.structure_set)))


def _check_learned(model: ModelInfo) -> Iterator[Check]:
    if is_simulated(model.card):
        text = _("The model learned from simulated measurements: it predicts errors of the simulation, not of your machine.")
        yield Check(Level.DOUBT, text)


def _check_required(patient: Patient, model: ModelInfo) -> Iterator[Check]:
    case = patient.case
    for name in model.card.get("recipe", {}).get("required_structures", ()):
        if case.structure(name) is None:
            yield Check(Level.STOP, _("The model needs {name}; contour it, or say which segment it is.").format(name=name))


def _check_domain(patient: Patient, model: ModelInfo, outside_domain: bool) -> Iterator[Check]:
    from DosePredictLib.inference.domain import check_domain

    domain = check_domain(patient.case, model.card, patient.occupancies)
    reasons = "; ".join(domain.reasons)
    if domain.verdict == "inside":
        yield Check(Level.GOOD, _("The patient is like those the model was trained on."))
    elif domain.verdict == "unknown":
        yield Check(Level.DOUBT, _("The model's card does not say what patients it was trained on."))
    elif domain.verdict == "unusual":
        yield Check(Level.DOUBT, _("Unusual for the model: {reasons}.").format(reasons=reasons))
    elif outside_domain:
        yield Check(Level.DOUBT, _("Outside what the model was trained on: {reasons}.").format(reasons=reasons))
    else:
        text = _("Outside what the model was trained on ({reasons}); a dose would mean nothing. Another model, or 'Outside the"
                 " domain too' under Advanced.")  # fmt: skip
        yield Check(Level.STOP, text.format(reasons=reasons))


def _refuse_dose_elsewhere(patient: Patient) -> None:
    dose = patient.reference
    if dose is not None and not patient.volume.grid.contains(dose.grid.corners.mean(axis=0)):
        raise GeometryError(_("The planned dose lies outside the CT; choose the dose planned on this CT, or none."))


def _check_dicom(what: str, *nodes: Any) -> Iterator[Check]:
    """what: the first of the nodes, any of which an RTDOSE can refer to."""
    if nodes[0] is not None and not any(files_behind(node) for node in nodes if node is not None):
        text = _("No DICOM files are known behind {what}: the dose can be shown, but not exported as RTDOSE.")
        yield Check(Level.DOUBT, text.format(what=what))
