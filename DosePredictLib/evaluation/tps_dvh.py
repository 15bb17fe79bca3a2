"""A planning system's own histogram beside ours: the same metrics, read from both curves in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core import InputError, TabulatedDvh
from .difference import CENTIGRAY, is_notable
from .dvh import Dvh
from .metrics import Metric

COMPARED = tuple(map(Metric.parse, ("Mean[Gy]", "D98%[Gy]", "D95%[Gy]", "D50%[Gy]", "D2%[Gy]")))
CURVE_POINTS = 2000


@dataclass(frozen=True)
class MetricDifference:
    """One metric by both programs; NaN where one of them has no value."""

    metric: Metric
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        return self.ours - self.theirs

    @property
    def is_notable(self) -> bool:
        """Worth a look: 2 Gy, or 3 % of the volume."""
        return is_notable(self.difference, self.metric.unit)


@dataclass(frozen=True)
class DvhComparison:
    """volume_percent: ours larger than theirs, in percent of theirs; NaN where they state none.

    largest_percent: the largest difference of the two curves, in percent of the volume, and at which dose it is.
    """

    name: str
    source: str
    volume_percent: float
    largest_percent: float
    at_gy: float
    metrics: tuple[MetricDifference, ...]


def compare_dvh(ours: Dvh, table: TabulatedDvh, metrics: Sequence[Metric] = COMPARED) -> DvhComparison:
    """Raises InputError where one of the two curves seems to be in cGy."""
    theirs = Dvh.from_table(table)
    _check_units(ours, theirs, table)
    highest = float(np.nanmax([ours.max_gy, theirs.max_gy]))
    dose, percent = ours.curve(CURVE_POINTS, highest_gy=highest)
    apart = percent - theirs.curve(CURVE_POINTS, highest_gy=highest)[1]
    place = int(np.nan_to_num(np.abs(apart)).argmax())
    return DvhComparison(
        name=table.name,
        source=table.source,
        volume_percent=100 * (ours.volume_cc / theirs.volume_cc - 1),
        largest_percent=float(apart[place]),
        at_gy=float(dose[place]),
        metrics=tuple(MetricDifference(metric, metric.of(ours), metric.of(theirs)) for metric in metrics),
    )


def _check_units(ours: Dvh, theirs: Dvh, table: TabulatedDvh) -> None:
    highest = ours.max_gy, theirs.max_gy
    if min(highest) > 0 and CENTIGRAY[0] < max(highest) / min(highest) < CENTIGRAY[1]:
        raise InputError(
            f"The maximum dose of {table.name} is {highest[0]:.4g} Gy here and {highest[1]:.4g} Gy in the {table.source}:"
            " about a factor of 100; one of them is probably in cGy, export it in Gy."
        )
