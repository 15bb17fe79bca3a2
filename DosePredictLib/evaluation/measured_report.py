"""What is said of a predicted measured dose: how the plan would fare in patient-specific quality assurance, were it right.

Nothing here is a planning prediction: no prescription, no clinical goals. As with measurements, the (predicted) measured dose is
the reference, and the planned dose is evaluated against it (AAPM TG-218; Miften et al. 2018, Med Phys 45:e53).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..core import BODY, DoseGrid, QaCase, Volume
from ..model_card import is_simulated
from .anonymise import Veil
from .difference import Errors, difference, errors
from .dvh import Dvh
from .gamma import Gamma, gamma
from .measured_dose import Agreement, agreement
from .measured_figures import view_of
from .report import NOTICE, SCHEMA, request_of
from .report_figures import Picture
from .report_findings import Check
from .report_nouns import GOOD, LOOK, STOP, finite, number
from .report_uncertainty import Uncertainty, uncertainty_of
from .structure_metrics import StructureRow

TOLERANCE_PERCENT, ACTION_PERCENT = 95.0, 90.0  # TG-218, of points with gamma <= 1 at 3 %/2 mm, global, above 10 %
WITHIN, BETWEEN, BELOW = "within tolerance", "between tolerance and action limit", "below the action limit"
COARSEST_MM = 3.0  # of a dose grid for quality assurance
MAXIMUM_PERCENT = 5.0  # by which the two maxima usually differ at most
IRRADIATED = 0.1  # of the planned maximum
LEAST_EDGE = 0.5  # of the maximum dose; more at the end of the grid is a dose cut off


@dataclass(frozen=True, eq=False)
class MeasuredReport:
    """Everything the page and the JSON say. ``timing_s`` may be completed until they are written.

    predicted: the measured dose, on the planned dose's grid. change: predicted measured - planned. likeness: of the planned dose
    with it, in the measures of DMTP's Table 2. pictures: through the middle of the dose; worst: through the largest difference.
    """

    case: QaCase
    predicted: DoseGrid
    rows: tuple[StructureRow, ...]
    checks: tuple[Check, ...]
    change: Volume
    errors: tuple[Errors, ...]
    gamma: Gamma
    likeness: Agreement
    pictures: tuple[Picture, ...]
    worst: tuple[Picture, ...]
    model: Mapping[str, Any]
    request: Mapping[str, Any]
    uncertainty: Uncertainty | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timing_s: MutableMapping[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0.0

    @property
    def simulated(self) -> bool:
        """Whether the model learned from simulated measurements."""
        return is_simulated(self.model)

    @property
    def verdict(self) -> str:
        return verdict(self.gamma.percent_within)

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json: numbers with fixed keys, null where a value would mislead."""
        return finite({
            "schema": SCHEMA,
            "dose_kind": "measured",
            "notice": NOTICE,
            "simulated_measurements": self.simulated,
            "model": {key: self.model.get(key) for key in ("id", "version", "weights_sha256")},
            "request": request_of(self.request),
            "gamma": self.gamma.to_dict() | {
                "tolerance_percent": TOLERANCE_PERCENT, "action_percent": ACTION_PERCENT, "verdict": self.verdict,
            },
            "agreement": asdict(self.likeness),
            "maximum_gy": {"predicted": float(self.predicted.gray.max()), "planned": float(self.case.planned.gray.max())},
            "errors": [asdict(entry) for entry in self.errors],
            "checks": [asdict(check) for check in self.checks],
            "structures": [row.to_dict() for row in self.rows],
            "uncertainty": {"words": self.uncertainty.words} if self.uncertainty else None,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "timing_s": dict(self.timing_s),
            "peak_rss_mb": self.peak_rss_mb,
        })  # fmt: skip


def make_measured_report(
    *,
    case: QaCase,
    predicted: DoseGrid,
    occupancies: Mapping[str, Volume],
    model: Mapping[str, Any],
    request: Mapping[str, Any],
    uncertainty: Volume | None = None,
    samples: Sequence[DoseGrid] = (),
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    timing_s: MutableMapping[str, float] | None = None,
    peak_rss_mb: float = 0.0,
    identity: Mapping[str, str] | None = None,
    secrets: Collection[str] | None = None,
) -> MeasuredReport:
    """Compare a predicted measured dose with the planned dose it was predicted from; both on one grid.

    occupancies: by ROI name; may be empty. The other arguments are those of ``report.make_report``.
    """
    veil = Veil(secrets)
    occupancies, names = veil.by_name(occupancies), {name: veil.text(roi) for name, roi in case.names.items()}
    rows = measured_rows(case.planned, predicted, occupancies, names)
    change, index = difference(predicted, case.planned), gamma(case.planned, predicted)
    view = view_of(case, predicted, change, index)
    return MeasuredReport(
        case=case, predicted=predicted, rows=rows, change=change, gamma=index, model=model, request=request,
        checks=tuple(_checks(case, predicted)),
        errors=tuple(errors(change, mask, described=described) for described, mask in _masks(case.planned).items()),
        likeness=agreement(case.planned, predicted),
        pictures=view.through(middle_of(case.planned)),
        worst=view.through(worst_of(change, case.planned)),
        uncertainty=uncertainty_of(rows, uncertainty, samples, occupancies, model) if uncertainty is not None else None,
        identity=identity if identity and secrets is None else {},
        warnings=veil.texts(warnings),
        notes=veil.texts(notes),
        timing_s=timing_s if timing_s is not None else {},
        peak_rss_mb=peak_rss_mb,
    )  # fmt: skip


def verdict(percent_within: float) -> str:
    """By the limits of TG-218."""
    if percent_within >= TOLERANCE_PERCENT:
        return WITHIN
    return BETWEEN if percent_within >= ACTION_PERCENT else BELOW


def kind_of(found: str) -> str:
    """How a verdict is shown."""
    return {WITHIN: GOOD, BETWEEN: LOOK, BELOW: STOP}[found]


def measured_rows(
    planned: DoseGrid, predicted: DoseGrid, occupancies: Mapping[str, Volume], names: Mapping[str, str]
) -> tuple[StructureRow, ...]:
    """A row for each structure with volume: that with the highest planned mean dose first, the body last."""
    known = {roi: name for name, roi in names.items()}
    drawn = {roi: occupancy for roi, occupancy in occupancies.items() if occupancy.array.any()}
    rows = [StructureRow(known.get(roi, roi), roi, Dvh.of(predicted, o), Dvh.of(planned, o)) for roi, o in drawn.items()]
    return tuple(sorted(rows, key=lambda row: (row.name == BODY, -row.predicted.mean_gy)))


def middle_of(dose: DoseGrid) -> np.ndarray:
    """LPS mm: the centre of the voxels with at least 80 % of the maximum."""
    return dose.grid.to_world(np.argwhere(dose.gray >= 0.8 * dose.gray.max()).mean(0)[::-1])


def worst_of(change: Volume, planned: DoseGrid) -> np.ndarray:
    """LPS mm: the voxel of the largest difference, of those for which gamma is evaluated too."""
    irradiated = planned.gray >= IRRADIATED * planned.gray.max()
    index = np.unravel_index(np.argmax(np.abs(change.array) * irradiated), change.array.shape)
    return change.grid.to_world(np.array(index[::-1]))


def _masks(planned: DoseGrid) -> dict[str, np.ndarray]:
    """By where they are, in words."""
    return {
        f"where at least {100 * share:.0f} % of the maximum is planned": planned.gray >= share * planned.gray.max()
        for share in (IRRADIATED, 0.5, 0.9)
    }


def _checks(case: QaCase, predicted: DoseGrid) -> Iterator[Check]:
    """What would make the prediction, or any comparison with a measurement, doubtful."""
    highest, planned = float(predicted.gray.max()), float(case.planned.gray.max())
    percent = 100 * (highest / planned - 1)
    said = f"Highest predicted measured dose {highest:.1f} Gy, {number(percent, sign=True)} % from the highest planned one."
    yield Check(abs(percent) <= MAXIMUM_PERCENT, said)
    coarsest = max(case.planned.grid.spacing)
    fine = coarsest <= COARSEST_MM
    said = "" if fine else f": coarser than {COARSEST_MM:g} mm, calculate the dose more finely for quality assurance"
    yield Check(fine, f"The dose grid has voxels of {coarsest:g} mm{said}.")
    edge = edge_share(case.planned)
    said = ": the dose seems to be cut off there" if edge > LEAST_EDGE else ""
    yield Check(edge <= LEAST_EDGE, f"At the end of the dose grid there is at most {100 * edge:.0f} % of the maximum dose{said}.")


def edge_share(dose: DoseGrid) -> float:
    """The highest dose on the six faces of the grid, as a share of the maximum."""
    faces = [np.take(dose.gray, end, axis) for axis in range(3) for end in (0, -1)]
    return max(float(face.max()) for face in faces) / float(dose.gray.max())
