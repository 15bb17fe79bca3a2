"""Predicted against planned dose over several patients: what one case contributes, free of identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core import BODY, Case, DoseGrid, Volume
from ..core.prescription import slot_of
from .difference import difference
from .interpolation import on_grid
from .structure_metrics import COLUMNS, StructureRow, structure_rows

METRICS = {key: metric.name for key, metric in COLUMNS.items()}
LEAST_SHARE = 0.1  # of the prescription: where nothing is planned, nothing can be missed


@dataclass(frozen=True)
class Pair:
    """One metric of one structure in Gy. structure: TG-263 name, or PTV_High, PTV_Mid, PTV_Low; column: a key of ``METRICS``."""

    structure: str
    column: str
    predicted: float
    planned: float

    @property
    def error(self) -> float:
        """Predicted - planned."""
        return self.predicted - self.planned


@dataclass(frozen=True)
class CaseResult:
    """One case. dose_error_gy: mean absolute difference in the body where 10 % of the prescription is planned.

    domain: the verdict of the domain check. seconds: for the prediction alone.
    """

    pairs: tuple[Pair, ...]
    dose_error_gy: float
    domain: str = "unknown"
    seconds: float = 0.0

    @property
    def dvh_error_gy(self) -> float:
        """Mean absolute error of all metrics."""
        return float(np.mean([abs(pair.error) for pair in self.pairs])) if self.pairs else float("nan")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaseResult:
        return cls(**{**values, "pairs": tuple(Pair(**pair) for pair in values["pairs"])})


def measure(
    case: Case, predicted: DoseGrid, occupancies: Mapping[str, Volume], *, domain: str = "unknown", seconds: float = 0.0
) -> CaseResult:
    """Compare a predicted dose with the case's reference dose, which it must have. occupancies: by ROI, on any grid."""
    assert case.reference is not None
    own = {case.names[name] for name in case.names if name != BODY} | {target.roi for target in case.prescription.targets}
    rows = structure_rows(case, predicted, {roi: volume for roi, volume in occupancies.items() if roi in own})
    change = difference(predicted, case.reference)
    irradiated = case.reference.gray >= LEAST_SHARE * case.prescription.highest_gy
    body = occupancies.get(case.names.get(BODY, ""))
    inside = irradiated if body is None else irradiated & (on_grid(body, case.reference.grid) >= 0.5)
    pairs = tuple(pair for row in rows for pair in _pairs(row, case))
    return CaseResult(pairs, float(np.nanmean(np.abs(change.array[inside]))), domain, seconds)


def common_name(row: StructureRow, case: Case) -> str:
    """The name a structure has in every case: TG-263 for an organ, the slot of its level for a target."""
    return row.name if row.prescription_gy is None else slot_of(row.prescription_gy / case.prescription.highest_gy)


def _pairs(row: StructureRow, case: Case) -> list[Pair]:
    """Without the metrics that a histogram refuses."""
    values = {column: (metric.of(row.predicted), metric.of(row.planned)) for column, metric in COLUMNS.items() if row.planned}
    name = common_name(row, case)
    return [Pair(name, column, *map(float, both)) for column, both in values.items() if np.isfinite(both).all()]
