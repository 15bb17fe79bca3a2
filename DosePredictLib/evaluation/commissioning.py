"""How a model does over a folder of a site's own cases: scores, the distribution of every metric's error, outliers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core import TARGET_SLOTS, InputError
from .cohort import METRICS, CaseResult
from .report_nouns import number

FENCE = 1.5  # quartile distances beyond the quartiles: Tukey 1977, what a box plot shows as a point
LEAST_FOR_OUTLIERS = 8  # values; of fewer, quartiles say little
SHOWN = {"target": ("dmean_gy", "d98_gy", "d95_gy", "d2_gy"), "organ": ("dmean_gy", "d2_gy", "d0_03cc_gy")}


@dataclass(frozen=True)
class Distribution:
    """Predicted - planned in Gy of one metric of one structure, by the label of the case."""

    structure: str
    column: str
    errors: Mapping[str, float]

    @property
    def values(self) -> np.ndarray:
        return np.array(list(self.errors.values()))

    @property
    def name(self) -> str:
        return f"{self.structure} {METRICS[self.column]}"

    @property
    def quartiles(self) -> tuple[float, float, float]:
        low, middle, high = np.percentile(self.values, (25, 50, 75))
        return float(low), float(middle), float(high)

    @property
    def outliers(self) -> dict[str, float]:
        """Errors beyond Tukey's fences, the farthest from the median first."""
        if len(self.errors) < LEAST_FOR_OUTLIERS:
            return {}
        low, middle, high = self.quartiles
        reach = FENCE * (high - low)
        beyond = {label: error for label, error in self.errors.items() if not low - reach <= error <= high + reach}
        return dict(sorted(beyond.items(), key=lambda item: -abs(item[1] - middle)))


@dataclass(frozen=True, eq=False)
class Commissioning:
    """results: by the label of the case. skipped: label -> why. card: the model's; request: how it was sampled."""

    results: Mapping[str, CaseResult]
    skipped: Mapping[str, str]
    card: Mapping[str, Any]
    request: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not self.results:
            first = next(iter(self.skipped.items()), ("no case", "none was given"))
            raise InputError(f"No case could be used, so there is nothing to report ({first[0]}: {first[1].rstrip('.')}).")

    @property
    def dose_errors(self) -> np.ndarray:
        return np.array([result.dose_error_gy for result in self.results.values()])

    @property
    def dvh_errors(self) -> np.ndarray:
        return np.array([result.dvh_error_gy for result in self.results.values()])

    @property
    def seconds(self) -> np.ndarray:
        return np.array([result.seconds for result in self.results.values()])

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """Of every structure and metric, targets first."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for label, result in self.results.items():
            for pair in result.pairs:
                known = found.setdefault((pair.structure, pair.column), {})
                known[label] = max(known.get(label, 0.0), pair.error, key=abs)  # of several targets of one level the worst
        structures = sorted({structure for structure, _ in found}, key=_place)
        return tuple(
            Distribution(structure, column, found[structure, column])
            for structure in structures
            for column in METRICS
            if (structure, column) in found
        )

    @property
    def shown(self) -> tuple[Distribution, ...]:
        """The metrics that are usual for targets and for organs."""
        return tuple(d for d in self.distributions if d.column in SHOWN["target" if d.structure in TARGET_SLOTS else "organ"])

    @cached_property
    def outliers(self) -> dict[str, list[str]]:
        """In words, by the label of the case: "Parotid_L Mean +9.1 Gy", only of the metrics shown."""
        found: dict[str, list[str]] = {}
        for distribution in self.shown:
            for label, error in distribution.outliers.items():
                found.setdefault(label, []).append(f"{distribution.name} {number(error, sign=True)} Gy")
        return found

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "dosepredict.commissioning/1",
            "model": {key: self.card.get(key) for key in ("id", "version", "weights_sha256")},
            "request": dict(self.request),
            "cases": {label: result.to_dict() for label, result in self.results.items()},
            "skipped": dict(self.skipped),
            "dose_error_gy": float(self.dose_errors.mean()),
            "dvh_error_gy": float(np.nanmean(self.dvh_errors)),
            "metrics": [
                {"structure": d.structure, "column": d.column, "n": len(d.errors), **_summary(d.values)}
                for d in self.distributions
            ],
            "outliers": self.outliers,
        }


def _place(structure: str) -> tuple[int, str]:
    """Targets from high to low, then organs by name."""
    return (TARGET_SLOTS.index(structure) if structure in TARGET_SLOTS else len(TARGET_SLOTS)), structure


def _summary(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(values, (5, 50, 95))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    names = ("mean", "spread", "p5", "median", "p95", "mean_absolute")
    return dict(zip(names, map(float, (values.mean(), spread, low, middle, high, np.abs(values).mean())), strict=True))


def cases_csv(found: Commissioning) -> str:
    """One line a case and metric: case, structure, metric, predicted, planned, difference in Gy."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["Case", "Structure", "Metric", "Predicted (Gy)", "Planned (Gy)", "Difference (Gy)"])
    for label, result in found.results.items():
        for pair in result.pairs:
            values = (f"{value:.3f}" for value in (pair.predicted, pair.planned, pair.error))
            writer.writerow([label, pair.structure, METRICS[pair.column], *values])
    return stream.getvalue()
