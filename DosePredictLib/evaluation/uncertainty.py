"""How sure a prediction is: intervals of metrics and bands of dose-volume curves, from several samples.

An interval is that of one more draw from a normal distribution known from n values (Student's t with n - 1 degrees of
freedom, Geisser 1993 section 2.1), its half width multiplied by the model's ``spread_scale``: the factor that made such
intervals hold the planned value in 90 % of the patients the model was calibrated on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import InputError
from .dvh import Dvh
from .metrics import Metric

PERCENT = 90  # of all intervals and bands
NORMAL = 1.6449  # 95 % quantile of the normal distribution
STUDENT = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)  # 95 % quantile, 1 to 10 degrees of freedom
BAND_PERCENT = np.linspace(0, 100, 201)


@dataclass(frozen=True)
class Interval:
    """``low`` to ``high`` holds the value with ``PERCENT`` % probability; in the unit of the metric."""

    value: float
    low: float
    high: float

    def words(self, unit: str = "Gy") -> str:
        """ "24.1 Gy, 90 % interval 21.9 to 26.3"."""
        return f"{self.value:.1f} {unit}, {PERCENT} % interval {self.low:.1f} to {self.high:.1f}"


@dataclass(frozen=True, eq=False)
class Band:
    """A band around a dose-volume curve: for each percent of volume the least and the highest dose expected, (n,) each."""

    percent: np.ndarray
    low_gy: np.ndarray
    high_gy: np.ndarray


@dataclass(frozen=True)
class SpreadScale:
    """What the model's card says of its spread. words: one sentence for the report.

    factor: of intervals and bands; targets: of those of targets, whose metrics lie at steep edges.
    """

    factor: float
    targets: float
    words: str

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> SpreadScale:
        """Of ``card["calibration"]``: {"spread_scale", "spread_scale_targets", "coverage_90", "data", "n"}.

        Without it, factor 1 and uncalibrated; without one for targets, that of everything.
        """
        known = card.get("calibration") or {}
        if "spread_scale" not in known:
            return cls(
                1.0,
                1.0,
                "The spread of the samples is not calibrated for this model: the true value may well lie outside the intervals.",
            )
        held = f"; they then held the planned value in {100 * known['coverage_90']:.0f} %" if "coverage_90" in known else ""
        source = f" on {known.get('n', 'some')} patients ({known.get('data', 'unnamed data')})"
        factor = float(known["spread_scale"])
        targets = float(known.get("spread_scale_targets", factor))
        times = f"{factor:g}" if targets == factor else f"{factor:g}, of targets {targets:g}"
        return cls(factor, targets, f"Intervals are the spread of the samples times {times}, calibrated{source}{held}.")


def interval(values: Sequence[float], *, value: float | None = None, scale: float = 1.0) -> Interval:
    """Of a metric from its ``values`` in the samples, around ``value`` (their mean where none is given).

    NaN limits for fewer than two values, or where one of them is NaN.
    """
    found = np.asarray(values, float)
    centre = float(found.mean()) if value is None else value
    half = scale * float(half_width(found)) if found.size > 1 else math.nan
    return Interval(centre, centre - half, centre + half)


def half_width(values: np.ndarray) -> np.ndarray | float:
    """Half the prediction interval of one more draw; ``values`` (n, ...), n > 1, along the first axis."""
    count = len(values)
    return student(count - 1) * np.std(values, axis=0, ddof=1) * math.sqrt(1 + 1 / count)


def student(freedom: int) -> float:
    """95 % quantile of Student's t; beyond the table by the Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5)."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    z = NORMAL
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def metric_interval(metric: Metric, predicted: Dvh, samples: Sequence[Dvh], *, scale: float = 1.0) -> Interval:
    """Of a metric that needs no prescription; around its value in the predicted (mean) dose, never below 0."""
    found = interval([metric.of(dvh) for dvh in samples], value=metric.of(predicted), scale=scale)
    return Interval(found.value, max(found.low, 0.0), found.high)


def dvh_band(predicted: Dvh, samples: Sequence[Dvh], *, scale: float = 1.0) -> Band:
    """Around the curve of the predicted dose, from the curves of two samples or more. Raises InputError for fewer."""
    if len(samples) < 2:
        raise InputError("A band around a dose-volume curve needs two samples or more; ask for them with --samples.")
    doses = np.array([dvh.doses_to_percent(BAND_PERCENT) for dvh in samples])
    centre, half = predicted.doses_to_percent(BAND_PERCENT), scale * half_width(doses)
    return _band(centre - half, centre + half)


def band_around(predicted: Dvh, *, shift: np.ndarray, half: np.ndarray) -> Band:
    """The curve moved by ``shift`` Gy, and ``half`` Gy to either side; (n,) each, at ``BAND_PERCENT`` of the volume."""
    centre = predicted.doses_to_percent(BAND_PERCENT) + shift
    return _band(centre - half, centre + half)


def _band(low: np.ndarray, high: np.ndarray) -> Band:
    """Made monotone: a curve falls, so do its limits."""
    low, high = (np.maximum.accumulate(edge[::-1])[::-1] for edge in (np.maximum(low, 0), high))
    return Band(BAND_PERCENT, low, high)
