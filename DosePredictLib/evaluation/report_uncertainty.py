"""What several samples of a prediction say of its uncertainty: a map, bands around the curves, intervals of the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import BODY, DoseGrid, Volume
from ..core.parallel import in_threads
from .dvh import Dvh
from .structure_metrics import COLUMNS, StructureRow
from .uncertainty import Band, Interval, SpreadScale, dvh_band, metric_interval


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
    spread: Volume,
    samples: Sequence[DoseGrid],
    occupancies: Mapping[str, Volume],
    card: Mapping[str, Any],
) -> Uncertainty:
    """From each sample's own histograms; samples on any grid. card: the model's, whose calibration scales the spread."""
    scale = SpreadScale.of(card)
    factors = {row.roi: scale.targets if row.is_target else scale.factor for row in rows}
    shown = [row for row in rows if row.name != BODY and not row.predicted.refusal and len(samples) > 1]
    drawn = in_threads(lambda row: [Dvh.of(sample, occupancies[row.roi]) for sample in samples], shown)
    curves = {row.roi: found for row, found in zip(shown, drawn, strict=True)}
    return Uncertainty(
        spread=spread,
        bands={row.roi: dvh_band(row.predicted, curves[row.roi], scale=factors[row.roi]) for row in shown},
        intervals={row.roi: _intervals(row.predicted, curves[row.roi], factors[row.roi]) for row in shown},
        words=scale.words,
    )


def _intervals(predicted: Dvh, samples: Sequence[Dvh], scale: float) -> dict[str, Interval]:
    return {key: metric_interval(metric, predicted, samples, scale=scale) for key, metric in COLUMNS.items()}
