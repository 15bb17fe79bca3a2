"""What the site's own plans say of a prediction: where each planned metric, and the whole curve, is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core import Case
from .calibration import Calibration, MetricError
from .cohort import common_name
from .dvh import Dvh
from .structure_metrics import COLUMNS, StructureRow
from .uncertainty import BAND_PERCENT, Band, Interval, band_around

CURVE = {"d2_gy": 2.0, "d50_gy": 50.0, "d95_gy": 95.0, "d98_gy": 98.0}  # percent of volume, ascending


@dataclass(frozen=True, eq=False)
class Site:
    """bands, intervals: by ROI name, then by column. words: what is known of the mean doses, the largest bias first."""

    cases: int
    bands: Mapping[str, Band]
    intervals: Mapping[str, Mapping[str, Interval]]
    words: tuple[str, ...]


def site_of(rows: Sequence[StructureRow], case: Case, calibration: Calibration) -> Site:
    """What ``calibration`` says of the structures of this case."""
    known = {row.roi: errors for row in rows if (errors := calibration.of(common_name(row, case)))}
    predicted = {row.roi: row for row in rows}
    means = sorted((errors["dmean_gy"] for errors in known.values() if "dmean_gy" in errors), key=lambda e: -abs(e.mean))
    return Site(
        cases=calibration.cases,
        bands={roi: _band(predicted[roi].predicted, errors) for roi, errors in known.items() if set(CURVE) <= set(errors)},
        intervals={roi: _intervals(predicted[roi], errors) for roi, errors in known.items()},
        words=tuple(dict.fromkeys(f"{error.words}." for error in means)),
    )


def _intervals(row: StructureRow, errors: Mapping[str, MetricError]) -> dict[str, Interval]:
    values = {column: COLUMNS[column].of(row.predicted) for column in errors}
    return {column: errors[column].expected(value) for column, value in values.items() if np.isfinite(value)}


def _band(predicted: Dvh, errors: Mapping[str, MetricError]) -> Band:
    """Mean and half width of the error between the percents of volume that are known, and constant beyond them."""
    mean, half = (
        np.interp(BAND_PERCENT, list(CURVE.values()), [getattr(errors[column], of) for column in CURVE])
        for of in ("mean", "half")
    )
    return band_around(predicted, shift=-mean, half=half)
