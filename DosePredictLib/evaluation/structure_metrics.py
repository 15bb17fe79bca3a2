"""The table of a report: the same metrics of every structure for the predicted and the planned dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core import BODY, Case, DoseGrid, Volume
from ..core.parallel import in_threads
from .difference import is_notable
from .dvh import Dvh
from .interpolation import on_grid
from .metrics import Metric

COLUMNS = {
    "dmean_gy": Metric.parse("Mean[Gy]"),
    "d98_gy": Metric.parse("D98%[Gy]"),
    "d95_gy": Metric.parse("D95%[Gy]"),
    "d50_gy": Metric.parse("D50%[Gy]"),
    "d2_gy": Metric.parse("D2%[Gy]"),
    "d0_03cc_gy": Metric.parse("D0.03cc[Gy]"),
}
FLAGGED = {True: ("dmean_gy", "d98_gy", "d95_gy", "d2_gy"), False: ("dmean_gy", "d0_03cc_gy")}  # of targets, of organs


@dataclass(frozen=True, eq=False)
class StructureRow:
    """One structure. name: TG-263 or the ROI's own. spread_gy: mean standard deviation of several samples.

    estimated: of the dose that a model which samples finds without sampling.
    """

    name: str
    roi: str
    predicted: Dvh
    planned: Dvh | None = None
    estimated: Dvh | None = None
    prescription_gy: float | None = None
    spread_gy: float | None = None

    @property
    def is_target(self) -> bool:
        return self.prescription_gy is not None

    @property
    def note(self) -> str:
        doses = {"predicted dose": self.predicted, **({"planned dose": self.planned} if self.planned else {})}
        reasons = [f"{which}: {why}" for which, dvh in doses.items() for why in _refusals(dvh)]
        return "; ".join([*reasons, *_small(self.predicted)])

    @property
    def differences(self) -> dict[str, float]:
        """Predicted - planned by column; empty without a planned dose."""
        if self.planned is None:
            return {}
        return {key: metric.of(self.predicted) - metric.of(self.planned) for key, metric in COLUMNS.items()}

    @property
    def notable(self) -> dict[str, float]:
        """The differences that are worth a look; not of the body, which only repeats the others."""
        found = self.differences if self.name != BODY else {}
        return {key: found[key] for key in FLAGGED[self.is_target] if found and is_notable(found[key], "Gy")}

    def to_dict(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": self.name, "roi": self.roi, "predicted": _values(self.predicted)}
        if self.planned is not None:
            entry |= {"reference": _values(self.planned), "difference": {"volume_cc": 0.0, **self.differences}}
        if self.estimated is not None:
            entry["estimate"] = _values(self.estimated)
        if self.spread_gy is not None:
            entry["spread_gy"] = self.spread_gy
        return entry | {"worth_a_look": sorted(self.notable), "note": self.note}


def _values(dvh: Dvh) -> dict[str, Any]:
    entry: dict[str, Any] = {"volume_cc": dvh.volume_cc, **{key: metric.of(dvh) for key, metric in COLUMNS.items()}}
    if dvh.shifted:
        entry["half_voxel_interval"] = {key: metric.sampling_interval(dvh) for key, metric in COLUMNS.items()}
    return entry | {"coverage": dvh.coverage}


def _refusals(dvh: Dvh) -> list[str]:
    """Each reason once."""
    return list(dict.fromkeys(filter(None, (metric.refusal(dvh) for metric in COLUMNS.values()))))


def _small(dvh: Dvh) -> list[str]:
    interval = COLUMNS["dmean_gy"].sampling_interval(dvh)
    if interval is None or dvh.refusal:
        return []
    return [f"small: moved by half a voxel its mean is {interval[0]:.1f} to {interval[1]:.1f} Gy"]


def structure_rows(
    case: Case,
    predicted: DoseGrid,
    occupancies: Mapping[str, Volume],
    *,
    uncertainty: Volume | None = None,
    estimate: DoseGrid | None = None,
) -> list[StructureRow]:
    """A row for each structure with volume: targets first, then the organs the model knows, then the rest, the body last."""
    filled = [(roi, occupancy) for roi, occupancy in occupancies.items() if occupancy.array.any()]
    rows = in_threads(lambda one: _row(case, *one, predicted, uncertainty), filled)
    if estimate is not None:
        rows = [replace(row, estimated=Dvh.of(estimate, occupancies[row.roi])) for row in rows]
    known = list(case.names)

    def place(row: StructureRow) -> tuple[bool, float, int]:
        return row.name == BODY, -(row.prescription_gy or 0), known.index(row.name) if row.name in known else len(known)

    return sorted(rows, key=place)


def _row(case: Case, roi: str, occupancy: Volume, predicted: DoseGrid, uncertainty: Volume | None) -> StructureRow:
    prescribed = {target.roi: target.dose_gy for target in case.prescription.targets}
    return StructureRow(
        name={own: name for name, own in case.names.items()}.get(roi, roi),
        roi=roi,
        predicted=Dvh.of(predicted, occupancy),
        planned=Dvh.of(case.reference, occupancy) if case.reference is not None else None,
        prescription_gy=prescribed.get(roi),
        spread_gy=_weighted_mean(uncertainty, occupancy) if uncertainty is not None else None,
    )


def _weighted_mean(field: Volume, occupancy: Volume) -> float:
    return float(np.average(on_grid(field, occupancy.grid), weights=occupancy.array))
