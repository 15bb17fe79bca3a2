"""What dose which target is meant to receive: from the user, the plan and the names of the ROIs, in this order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ..core.errors import InputError
from ..core.prescription import HIGHEST_GY, LOWEST_GY, Prescription, Target
from ..core.structures import Structure, StructureSet
from .rtplan import Plan, PlannedDose

HELPER = re.compile(  # what follows "PTV" in parts made for the optimiser or for evaluation, and in differences and unions
    r"eval|opt|ring|shell|minus|sub\b|crop|cut\b|exp|excl|overlap|prv|help|hilfs|\d ?mm|[gpci]tv|[!^~&+]"
    r"|-\s*(?!high|mid|int|low|boost|nod|ln|elec|prim|tum|right|left|rt|lt|gy)[a-z]{2,}",
    re.IGNORECASE,
)
FRACTIONATED = re.compile(r"(\d+(?:[.,]\d+)?)\s*x\s*(\d+)", re.IGNORECASE)  # TG-263: dose of a fraction x fractions
NUMBER = re.compile(r"(?<![\d.,])(\d+(?:[.,p]\d+)?)\s*(c?gy)?(?!\d|\s*(?:fx|fr|mm|cm|%))", re.IGNORECASE)
CENTIGRAY_FROM = 1000.0
LEVELS = (("high", "hoch", "haut"), ("mid", "intermediate", "int"), ("low", "niedrig", "bas"))
SAME_GY = 0.05


@dataclass(frozen=True)
class FoundPrescription:
    """The prescription, and what a person should know about where it comes from."""

    prescription: Prescription
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def is_target_name(roi: str) -> bool:
    """Whether a name is that of a plain PTV; not of a CTV or GTV, nor of a ring or a part made for the optimiser."""
    name = roi.strip()
    return name[:3].upper() == "PTV" and not HELPER.search(name[3:])


def dose_in_name(roi: str) -> float | None:
    """The dose in Gy a PTV's name states: PTV70, PTV_7000, PTVp_70Gy, PTV 59.4, PTV_20x3; None where none or several are."""
    if product := FRACTIONATED.search(roi):
        total = _number(product[1]) * int(product[2])
        doses = {total / 100 if total >= CENTIGRAY_FROM else total}
    else:
        doses = {dose for number, unit in NUMBER.findall(roi) if (dose := _gray(_number(number), unit)) is not None}
    return doses.pop() if len(doses) == 1 and LOWEST_GY <= min(doses) <= HIGHEST_GY else None


def find_prescription(
    structures: StructureSet, plan: Plan | None = None, wished: Mapping[str, float] | None = None
) -> FoundPrescription:
    """The targets and their doses.

    wished: ROI -> Gy from the user; it is the whole prescription where given. Else every plain PTV that is not empty, its dose
    from the plan (by ROI number, by description, or as the one dose of the one target), else from its name; where no PTV is
    named, the ROIs to which the plan prescribes. Raises InputError where no target or no dose is found, or where the levels
    contradict the names.
    """
    if wished:
        return _as_wished(structures, plan, wished)
    candidates = _candidates(structures, plan)
    usable = [c for c in candidates if not c.is_empty]
    if not usable:
        raise InputError(_nothing_found(structures, plan, candidates))
    targets, warnings = [], [f"{c.name} is empty and is left out." for c in candidates if c.is_empty]
    for candidate in usable:
        target, remarks = _dose_of(candidate, plan, alone=len(usable) == 1)
        targets += [target] if target else []
        warnings += remarks
    if not targets:
        raise InputError(
            f"No prescription was found for {_listed(usable)}: neither the plan nor the names state a dose; give one for each"
            f' target, e.g. --prescription "{usable[0].name}"=70.'
        )
    prescription = Prescription(tuple(targets))
    _check_order(prescription.targets)
    return FoundPrescription(
        prescription,
        tuple(_note(t) for t in prescription.targets),
        (*warnings, *_against_plan(prescription, plan), *_passed_over(prescription, structures, plan)),
    )


def _as_wished(structures: StructureSet, plan: Plan | None, wished: Mapping[str, float]) -> FoundPrescription:
    for roi in wished:
        if roi not in structures:
            raise InputError(f"The structure set has no ROI {roi!r} to prescribe to; it has {', '.join(structures.names)}.")
        if structures[roi].is_empty:
            raise InputError(f"The target {roi} has no contours; choose another target or contour it.")
    prescription = Prescription(tuple(Target(roi, float(dose), "user") for roi, dose in wished.items()))
    _check_order(prescription.targets)
    left_out = [s.name for s in structures if is_target_name(s.name) and not s.is_empty and s.name not in wished]
    warnings = [f"{', '.join(left_out)} was not given a prescription and is left out."] if left_out else []
    return FoundPrescription(
        prescription, tuple(_note(t) for t in prescription.targets), (*warnings, *_against_plan(prescription, plan))
    )


def _candidates(structures: StructureSet, plan: Plan | None) -> list[Structure]:
    named = [s for s in structures if is_target_name(s.name)]
    if any(not s.is_empty for s in named):
        return named
    numbers = {p.roi_number for p in plan.prescriptions} if plan else set()
    return [s for s in structures if s.number in numbers and s.interpreted_type != "EXTERNAL"] or named


def _dose_of(roi: Structure, plan: Plan | None, *, alone: bool) -> tuple[Target | None, list[str]]:
    planned, stated = _planned_dose(roi, plan, alone=alone), dose_in_name(roi.name)
    if planned is not None:
        warnings = []
        if stated is not None and abs(stated - planned) > SAME_GY:
            warnings.append(
                f"The plan prescribes {planned:g} Gy to {roi.name}, its name says {stated:g} Gy; the plan is followed."
            )
        if not is_target_name(roi.name):
            warnings.append(f"The plan prescribes to {roi.name}, which is not named as a PTV; check that it is the target.")
        return Target(roi.name, planned, "RTPLAN"), warnings
    if stated is None:
        return None, [f"No dose is known for {roi.name}; it is left out."]
    return Target(roi.name, stated, "ROI name"), []


def _planned_dose(roi: Structure, plan: Plan | None, *, alone: bool) -> float | None:
    """By ROI number, then by description; a site's only dose belongs to the only target."""
    prescriptions = plan.prescriptions if plan else ()
    unlinked = [p for p in prescriptions if p.roi_number is None]
    linked = [p for p in prescriptions if p.roi_number == roi.number] or [p for p in unlinked if p.description == roi.name]
    if alone and not linked and dose_in_name(roi.name) is None and len({p.dose_gy for p in unlinked}) == 1:
        linked = unlinked
    return max((p.dose_gy for p in linked), default=None)


def _against_plan(prescription: Prescription, plan: Plan | None) -> list[str]:
    """The highest dose of the plan should be the highest of the targets."""
    planned = max((p.dose_gy for p in plan.prescriptions), default=None) if plan else None
    if planned is None or abs(planned - prescription.highest_gy) <= SAME_GY:
        return []
    return [f"The highest prescription is {prescription.highest_gy:g} Gy, the plan's {planned:g} Gy; check which is right."]


def _passed_over(prescription: Prescription, structures: StructureSet, plan: Plan | None) -> list[str]:
    """ROIs to which the plan prescribes and that are no targets here, by their name."""
    targets = {target.roi for target in prescription.targets}
    doses = {p.roi_number: p.dose_gy for p in plan.prescriptions} if plan else {}
    return [
        f"The plan prescribes {doses[s.number]:g} Gy to {s.name}, which is not taken as a target; give it with --prescription."
        for s in structures
        if s.number in doses and s.name not in targets
    ]


def _check_order(targets: Sequence[Target]) -> None:
    """Targets, highest dose first, must not be named in another order. Raises InputError."""
    for upper, lower in combinations(targets, 2):
        ranks = _rank(upper.roi), _rank(lower.roi)
        stated = dose_in_name(upper.roi), dose_in_name(lower.roi)
        words_differ = None not in ranks and ranks[0] > ranks[1]  # type: ignore[operator]
        doses_differ = None not in stated and stated[0] < stated[1]  # type: ignore[operator]
        if upper.dose_gy > lower.dose_gy and (words_differ or doses_differ):
            raise InputError(
                f"The prescription levels are out of order: {upper.roi} {upper.dose_gy:g} Gy, {lower.roi} {lower.dose_gy:g} Gy;"
                " correct the prescription."
            )


def _rank(roi: str) -> int | None:
    """0 for high, 1 for intermediate, 2 for low, where the name says so."""
    words = re.findall(r"[a-z]+", roi.lower())
    return next((rank for rank, names in enumerate(LEVELS) if any(word in names for word in words)), None)


def _number(digits: str) -> float:
    """TG-263 writes 50p4 where a file system allows no point."""
    return float(re.sub("[,pP]", ".", digits))


def _gray(value: float, unit: str) -> float | None:
    """Gy; from 1000 on it is cGy. None for a number that is no dose, as in PTV1."""
    dose = value / 100 if unit.lower() == "cgy" or value >= CENTIGRAY_FROM else value
    return dose if unit or LOWEST_GY <= dose <= HIGHEST_GY else None


def _nothing_found(structures: StructureSet, plan: Plan | None, candidates: Sequence[Structure]) -> str:
    if candidates:
        return f"The target {_listed(candidates)} has no contours; choose another target or contour it."
    drawn = sorted((s for s in structures if not s.is_empty), key=lambda s: s.interpreted_type != "PTV")
    doses: Sequence[PlannedDose] = plan.prescriptions if plan else ()
    says = f" (the plan prescribes {max(p.dose_gy for p in doses):g} Gy)" if doses else ""
    return (
        f"No target was recognised among the ROIs {_listed(drawn) or '(none has contours)'}{says};"
        ' name the target and its dose, e.g. --prescription "NAME"=70.'
    )


def _note(target: Target) -> str:
    return f"{target.roi}: {target.dose_gy:g} Gy ({target.source})."


def _listed(structures: Sequence[Structure]) -> str:
    return ", ".join(s.name for s in structures)
