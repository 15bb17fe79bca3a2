"""Which CT, structure set, plan and dose belong together, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.errors import InputError
from .headers import newest_first, text
from .rtstruct import referenced_frames, referenced_series
from .scan import CT, ENHANCED_CT, RTDOSE, RTPLAN, RTSTRUCT, DicomFile, Scan

NONE = "none"


@dataclass(frozen=True, eq=False)
class Choice:
    """The objects of one patient's case; ``dose`` holds several files where beam doses are to be summed."""

    ct: tuple[DicomFile, ...] = ()
    rtstruct: DicomFile | None = None
    plan: DicomFile | None = None
    dose: tuple[DicomFile, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def choose(found: Scan, wished: Mapping[str, str] | None = None) -> Choice:
    """Pick by references (dose -> plan -> structure set -> CT series), then the newest.

    wished: "CT", "RTSTRUCT", "RTPLAN" or "RTDOSE" -> the end of a series or instance UID, or a file name; "none" leaves a plan
    or dose out. What is absent is absent in the choice. Raises InputError for a wish that fits nothing or several.
    """
    wished = dict(wished or {})
    if unknown := set(wished) - {CT, RTSTRUCT, RTPLAN, RTDOSE}:
        raise InputError(f"{', '.join(sorted(unknown))} cannot be chosen; choose among CT, RTSTRUCT, RTPLAN and RTDOSE.")
    notes: list[str] = []
    structs = _wished(found.of(RTSTRUCT), RTSTRUCT, wished)
    plans = _wished(found.of(RTPLAN), RTPLAN, wished)
    doses = _wished(found.of(RTDOSE), RTDOSE, wished)
    series = found.ct_series()
    struct = _best_struct(structs, plans, series, notes)
    plan, plan_warnings = _best_plan(plans, doses, struct, RTPLAN in wished, notes)
    ct = _best_ct(_wished_series(series, wished), struct, notes)
    dose = _best_dose(doses, plan, notes)
    return Choice(ct, struct, plan, dose, tuple(notes), tuple(plan_warnings))


def missing(found: Scan, choice: Choice) -> str:
    """One sentence where files are damaged or CT or structure set are absent, empty where all is there."""
    if found.unreadable:
        return found.unreadable[0]
    if not found.files:
        return f"None of the {len(found.not_dicom)} files found is DICOM; give a folder with the planning CT and its RTSTRUCT."
    if not choice.ct and found.of(ENHANCED_CT):
        return "The CT is an Enhanced CT (multi-frame), which is not supported; export it as single slices."
    if not choice.ct:
        return f"No CT was found among {len(found.files)} DICOM files; add the planning CT."
    if choice.rtstruct is None:
        return f"No RTSTRUCT was found among {len(found.files)} DICOM files; add the structure set."
    return ""


def _wished(files: Sequence[DicomFile], kind: str, wished: Mapping[str, str]) -> tuple[DicomFile, ...]:
    wish = wished.get(kind, "")
    if not wish or wish.lower() == NONE:
        return () if wish else tuple(files)
    fitting = [f for f in files if wish == f.path.name or f.uid.endswith(wish) or f.series_uid.endswith(wish)]
    if len(fitting) != 1:
        raise InputError(
            f"{wish!r} fits {len(fitting)} of {len(files)} {kind} objects; give a file name or a longer end of the UID."
        )
    return tuple(fitting)


def _wished_series(series: Mapping[str, tuple[DicomFile, ...]], wished: Mapping[str, str]) -> dict[str, tuple[DicomFile, ...]]:
    wish = wished.get(CT, "")
    fitting = {uid: s for uid, s in series.items() if uid.endswith(wish) or any(f.path.name == wish for f in s)}
    if wish and len(fitting) != 1:
        raise InputError(f"{wish!r} fits {len(fitting)} of {len(series)} CT series; give a longer end of the series UID.")
    return fitting


def _best_struct(
    structs: Sequence[DicomFile], plans: Sequence[DicomFile], series: Mapping[str, Sequence[DicomFile]], notes: list[str]
) -> DicomFile | None:
    planned = {uid for plan in plans for uid in plan.refers_to("ReferencedStructureSetSequence")}

    def worth(struct: DicomFile) -> tuple[bool, bool, str]:
        return bool(set(referenced_series(struct.header)) & set(series)), struct.uid in planned, newest_first(struct.header)

    best = max(structs, key=worth, default=None)
    if best and len(structs) > 1:
        on_ct, by_plan, _ = worth(best)
        reasons = ["drawn on a CT that is here"] * on_ct + ["used by a plan"] * by_plan + ["the newest of such"]
        notes.append(f"{best.path.name} is taken of {len(structs)} structure sets: {', '.join(reasons)}.")
    return best


def _best_plan(
    plans: Sequence[DicomFile], doses: Sequence[DicomFile], struct: DicomFile | None, is_wished: bool, notes: list[str]
) -> tuple[DicomFile | None, list[str]]:
    """A plan made for another structure set prescribes to other ROIs and is not taken unasked."""
    with_dose = {uid for dose in doses for uid in dose.refers_to("ReferencedRTPlanSequence")}

    def fits(plan: DicomFile) -> bool:
        sets = plan.refers_to("ReferencedStructureSetSequence")
        return not sets or struct is None or struct.uid in sets

    fitting = [plan for plan in plans if fits(plan) or is_wished]
    best = max(fitting, key=lambda plan: (plan.uid in with_dose, newest_first(plan.header)), default=None)
    if best and len(plans) > 1:
        reasons = ["made for the structure set"] + ["with a dose"] * (best.uid in with_dose) + ["the newest of such"]
        notes.append(f"{best.path.name} is taken of {len(plans)} plans: {', '.join(reasons)}.")
    if best is None and plans:
        return None, [f"{plans[0].path.name} was made for another structure set and is not used; choose it if it is right."]
    if best and not fits(best):
        return best, [f"{best.path.name} was made for another structure set; check the prescription."]
    return best, []


def _best_ct(series: Mapping[str, tuple[DicomFile, ...]], struct: DicomFile | None, notes: list[str]) -> tuple[DicomFile, ...]:
    referenced = set(referenced_series(struct.header)) if struct else set()
    frames = set(referenced_frames(struct.header)) if struct else set()

    def worth(uid: str) -> tuple[bool, bool, int, str]:
        first = series[uid][0]
        return uid in referenced, first.frame_of_reference in frames, len(series[uid]), newest_first(first.header)

    best = max(series, key=worth, default=None)
    if best is None:
        return ()
    if len(series) > 1:
        drawn, same_frame, slices, _ = worth(best)
        reasons = (
            ["the contours were drawn on it"] * drawn + ["in the contours' frame of reference"] * same_frame + ["most slices"]
        )
        notes.append(f"The CT with {slices} slices is taken of {len(series)} series: {reasons[0]}.")
    return series[best]


def _best_dose(doses: Sequence[DicomFile], plan: DicomFile | None, notes: list[str]) -> tuple[DicomFile, ...]:
    """The newest PLAN dose of the plan, else all its doses of one kind, to be summed."""
    of_plan = [d for d in doses if plan is None or plan.uid in d.refers_to("ReferencedRTPlanSequence")] or list(doses)
    if not of_plan:
        return ()

    def summation(dose: DicomFile) -> str:
        return text(dose.header, "DoseSummationType")

    whole = [dose for dose in of_plan if summation(dose) in ("PLAN", "MULTI_PLAN", "PLAN_OVERVIEW")]
    if whole:
        best = max(whole, key=lambda dose: (summation(dose) == "PLAN", newest_first(dose.header)))
        if len(doses) > 1:
            notes.append(f"{best.path.name} is taken of {len(doses)} doses: the newest {summation(best)} dose.")
        return (best,)
    newest = max(of_plan, key=lambda dose: newest_first(dose.header))
    return tuple(dose for dose in of_plan if summation(dose) == summation(newest))
