"""What is said of a predicted dose: metrics, goals, checks, and where there is a planned dose the comparison with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ..core import Case, DoseGrid, InputError, TabulatedDvh, Volume
from .anonymise import Veil
from .calibration import Calibration
from .goals import Goal, GoalResult, evaluate_goals, read_goals, templates
from .report_comparison import Comparison, compare
from .report_figures import Picture, View
from .report_findings import Check, Flag, Place, checks, flags, organ_to_look_at, point_of
from .report_nouns import finite
from .report_site import Site, site_of
from .report_uncertainty import Uncertainty, uncertainty_of
from .structure_metrics import StructureRow, structure_rows
from .tps_dvh import DvhComparison, compare_dvh
from .uncertainty import Band, Interval

SCHEMA = "dosepredict.report/1"
NOTICE = "Research software. Not a medical device. Not for treatment."
DEFAULT_GOALS = "head_and_neck"


class DomainVerdict(Protocol):
    """How a case relates to those a model was trained on, as inference finds it."""

    @property
    def verdict(self) -> str: ...

    @property
    def colour(self) -> str:
        """green, amber, red, or grey where nothing is known."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What lies beyond the training cases, in words."""

    @property
    def notable(self) -> tuple[str, ...]:
        """The most unusual descriptors in words, also of a case that is inside."""

    def to_dict(self) -> dict[str, Any]: ...


def request_of(made_with: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the prediction beside case and model; technique and site only where they were asked for."""
    usual = {key: made_with.get(key) for key in ("steps", "samples", "seed", "device")}
    return {**usual, **{key: made_with[key] for key in ("technique", "site") if key in made_with}}


@dataclass(frozen=True, eq=False)
class Report:
    """Everything the page and the JSON say. ``timing_s`` may be completed until they are written.

    organ: the organ the second row of pictures goes through. tabulated: a planning system's own histograms, by ROI name.
    identity: whose report it is, label -> value; empty where it must not say. model: the card; empty where there is no model.
    """

    case: Case
    predicted: DoseGrid
    rows: tuple[StructureRow, ...]
    goals: tuple[GoalResult, ...]
    checks: tuple[Check, ...]
    flags: tuple[Flag, ...]
    organ: Place | None
    pictures: tuple[Picture, ...]
    organ_pictures: tuple[Picture, ...]
    model: Mapping[str, Any]
    request: Mapping[str, Any]
    comparison: Comparison | None = None
    uncertainty: Uncertainty | None = None
    site: Site | None = None
    tabulated: Mapping[str, TabulatedDvh] = field(default_factory=dict)
    tabulated_differences: tuple[DvhComparison, ...] = ()
    domain: DomainVerdict | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timing_s: MutableMapping[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0.0

    @property
    def outside_domain(self) -> str | None:
        """Why the model does not apply; None where it does."""
        return "; ".join(self.domain.reasons) if self.domain and self.domain.verdict == "outside" else None

    @property
    def bands(self) -> dict[str, Band]:
        """Around the predicted curves, by ROI name: measured at the site where they are known, else of the samples."""
        sampled = self.uncertainty.bands if self.uncertainty else {}
        return {**sampled, **(self.site.bands if self.site else {})}

    @property
    def intervals(self) -> dict[str, Mapping[str, Interval]]:
        """Of the metrics, by ROI name and column; of the same origin as the bands."""
        sampled = self.uncertainty.intervals if self.uncertainty else {}
        return {**sampled, **(self.site.intervals if self.site else {})}

    @property
    def interval_words(self) -> str:
        """Where bands and intervals come from; empty where there are none."""
        sources = [f"Measured on {self.site.cases} plans of your site."] if self.site else []
        return " ".join([*sources, *([self.uncertainty.words] if self.uncertainty else [])])

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json: numbers with fixed keys, null where a value would mislead."""
        content = {
            "schema": SCHEMA,
            "dose_kind": "planned",
            "notice": NOTICE,
            "model": {key: self.model.get(key) for key in ("id", "version", "weights_sha256")},
            "request": request_of(self.request),
            "prescription": [asdict(target) for target in self.case.prescription.targets],
            "domain": self.domain.to_dict() if self.domain else None,
            "outside_domain": self.outside_domain,
            "checks": [asdict(check) for check in self.checks],
            "structures": [self._structure(row) for row in self.rows],
            "goals": [goal.to_dict() for goal in self.goals],
            "flags": [asdict(flag) | {"difference": flag.difference} for flag in self.flags],
            **(self.comparison.to_dict() if self.comparison else {"gamma": None, "errors": []}),
            "uncertainty": {"words": self.uncertainty.words} if self.uncertainty else None,
            "site": {"cases": self.site.cases, "words": list(self.site.words)} if self.site else None,
            "tps_dvh": [_tabulated(entry) for entry in self.tabulated_differences],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "timing_s": dict(self.timing_s),
            "peak_rss_mb": self.peak_rss_mb,
        }
        return finite(content)

    def _structure(self, row: StructureRow) -> dict[str, Any]:
        intervals = {key: [found.low, found.high] for key, found in self.intervals.get(row.roi, {}).items()}
        return row.to_dict() | ({"interval_90": intervals} if intervals else {})


def make_report(
    *,
    case: Case,
    predicted: DoseGrid,
    occupancies: Mapping[str, Volume],
    model: Mapping[str, Any],
    request: Mapping[str, Any],
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    timing_s: MutableMapping[str, float] | None = None,
    peak_rss_mb: float = 0.0,
    domain: DomainVerdict | None = None,
    uncertainty: Volume | None = None,
    samples: Sequence[DoseGrid] = (),
    estimate: DoseGrid | None = None,
    calibration: Calibration | None = None,
    goals: Sequence[Goal] | None = None,
    tabulated: Iterable[TabulatedDvh] = (),
    identity: Mapping[str, str] | None = None,
    secrets: Collection[str] | None = None,
    thorough: bool = False,
) -> Report:
    """Measure a predicted dose, and compare it with the case's reference dose where there is one.

    occupancies: by ROI name, each on any grid. model: the model card. uncertainty: one standard deviation, Gy.
    samples: the doses it is of, for bands and intervals. estimate: the dose that a model which samples finds without sampling.
    calibration: how the model errs at this site.
    goals: those for head and neck unless given. tabulated: a planning system's histograms of the reference dose, or of the
    predicted one where there is no other. timing_s: kept as it is, so the caller may add to it until the report is written.
    identity: whose report it is. secrets: makes the report anonymous, see anonymise.Veil; the identity is left out then.
    thorough: compare isodoses and structural similarity too, which takes seconds.
    Raises InputError or GeometryError where the two doses cannot be compared.
    """
    veil = Veil(secrets)
    case, occupancies, tabulated = veil.case(case), veil.by_name(occupancies), veil.tables(tabulated)
    rows = tuple(structure_rows(case, predicted, occupancies, uncertainty=uncertainty, estimate=estimate))
    comparison = compare(case, predicted, occupancies, thorough=thorough)
    results = _goals(read_goals(templates()[DEFAULT_GOALS]) if goals is None else goals, case, rows)
    found = flags(rows, results)
    organ = organ_to_look_at(case, rows, results, found)
    target = next((Place(row.roi, "") for row in rows if row.is_target), None)
    view = View.of(case, predicted, comparison.change if comparison else None, occupancies)
    tables = {table.name: table for table in tabulated}
    return Report(
        case=case, predicted=predicted, rows=rows, goals=results, flags=found, organ=organ, comparison=comparison, domain=domain,
        model=model, request=request, timing_s=timing_s if timing_s is not None else {}, peak_rss_mb=peak_rss_mb,
        checks=checks(case, predicted, rows),
        pictures=view.through(point_of(target, occupancies, predicted)) if target else (),
        organ_pictures=view.through(point_of(organ, occupancies, predicted), occupancies[organ.roi]) if organ else (),
        uncertainty=uncertainty_of(rows, uncertainty, samples, occupancies, model) if uncertainty is not None else None,
        site=site_of(rows, case, calibration) if calibration else None,
        tabulated=tables,
        tabulated_differences=tuple(compare_dvh(r.planned or r.predicted, tables[r.roi]) for r in rows if r.roi in tables),
        identity=identity if identity and secrets is None else {},
        warnings=veil.texts(warnings),
        notes=veil.texts((*notes, *_left_out(occupancies), *_unmatched(tables, rows))),
    )  # fmt: skip


def _goals(goals: Sequence[Goal], case: Case, rows: Sequence[StructureRow]) -> tuple[GoalResult, ...]:
    planned = {row.roi: row.planned for row in rows if row.planned is not None}
    return tuple(evaluate_goals(goals, case, {row.roi: row.predicted for row in rows}, planned))


def _left_out(occupancies: Mapping[str, Volume]) -> list[str]:
    return [f"{roi} has no volume and is left out." for roi, volume in occupancies.items() if not volume.array.any()]


def _unmatched(tables: Mapping[str, TabulatedDvh], rows: Sequence[StructureRow]) -> list[str]:
    """What of a planning system's histograms has no structure here. Raises InputError where none has."""
    unknown = sorted(set(tables) - {row.roi for row in rows})
    if tables and len(unknown) == len(tables):
        raise InputError(f"None of the planning system's histograms ({', '.join(unknown)}) is of a structure of this case.")
    return [f"The planning system's histograms of {', '.join(unknown)} belong to no structure here."] if unknown else []


def _tabulated(entry: DvhComparison) -> dict[str, Any]:
    metrics = {m.metric.text: {"ours": m.ours, "theirs": m.theirs, "difference": m.difference} for m in entry.metrics}
    return {
        "roi": entry.name, "source": entry.source, "volume_percent": entry.volume_percent,
        "largest_percent": entry.largest_percent, "at_gy": entry.at_gy, "metrics": metrics,
    }  # fmt: skip
