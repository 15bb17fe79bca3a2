"""What several samples of a prediction say of its uncertainty: a map, bands around the curves, intervals of the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import BODY, DoseGrid, Volume
from .dvh import Dvh
from .structure_metrics import COLUMNS, StructureRow
from .uncertainty import Band, Interval, SpreadScale, band_between, bounds


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """spread: standard deviation of the samples, Gy. bands, intervals: by ROI name, then by column. words: how they were made."""

    spread: Volume
    bands: Mapping[str, Band]
    intervals: Mapping[str, Mapping[str, Interval]]
    words: str

    def width(self, roi: str, column: str) -> float:
        """Of an interval, in Gy; 0 where there is none."""
        known = self.intervals.get(roi, {}).get(column)
        return float(np.nan_to_num(known.high - known.low)) if known else 0.0


def uncertainty_of(
    rows: Sequence[StructureRow],
    predicted: DoseGrid,
    spread: Volume,
    occupancies: Mapping[str, Volume],
    card: Mapping[str, Any],
) -> Uncertainty:
    """card: the model's, whose calibration scales the spread."""
    scale = SpreadScale.of(card)
    low, high = bounds(predicted, spread, scale=scale.factor)
    curves = {r.roi: (r, Dvh.of(low, occupancies[r.roi]), Dvh.of(high, occupancies[r.roi])) for r in rows if r.name != BODY}
    return Uncertainty(
        spread=spread,
        bands={roi: band_between(least, most) for roi, (_, least, most) in curves.items() if not least.refusal},
        intervals={roi: _intervals(row, least, most) for roi, (row, least, most) in curves.items()},
        words=scale.words,
    )


def _intervals(row: StructureRow, low: Dvh, high: Dvh) -> dict[str, Interval]:
    return {key: Interval(metric.of(row.predicted), metric.of(low), metric.of(high)) for key, metric in COLUMNS.items()}
