"""How targets' DVHs depend on the anatomy: a linear trend over patients (ridge regression), beside their median.

A network sees every voxel and learns each patient's targets by heart; some fifty numbers of a patient say more of new ones
(docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..core import TARGET_SLOTS, ModelError, Recipe

PENALTY = 100.0  # of the slopes, in patients
FARTHEST = 3.0  # standard deviations from the mean that a feature is taken for at most
LEVELS = (0.01, 0.05, 0.5, 0.99)  # of a target's volume, coldest first, at which doses of the plans are features


@dataclass(frozen=True, eq=False)
class Trend:
    """mean, deviation: (features,) over patients. slopes: (features, shares) of each target slot, for standardised features."""

    mean: np.ndarray
    deviation: np.ndarray
    slopes: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Trend:
        """What a model's card says. Raises KeyError, TypeError or ValueError for an odd value."""
        slopes = {slot: np.array(one, np.float32) for slot, one in values["slopes"].items()}
        return cls(np.array(values["mean"], np.float32), np.array(values["deviation"], np.float32), slopes)

    def is_sound(self, dvh: Mapping[str, np.ndarray]) -> bool:
        """Whether it belongs to DVHs of these slots and lengths."""
        count = len(self.mean)
        fits = all(slot in dvh and one.shape == (count, len(dvh[slot])) for slot, one in self.slopes.items())
        finite = all(np.isfinite(one).all() for one in (self.mean, self.deviation, *self.slopes.values()))
        return fits and finite and self.deviation.shape == (count,) and bool((self.deviation > 0).all())

    @property
    def in_card(self) -> dict[str, Any]:
        slopes = {slot: np.round(one.astype(float), 5).tolist() for slot, one in self.slopes.items()}
        return {"mean": rounded(self.mean), "deviation": rounded(self.deviation), "slopes": slopes}

    def change(self, slot: str, features: np.ndarray) -> np.ndarray | float:
        """(shares,): how the DVH of a patient's target differs from the median. Raises ModelError for other features."""
        if slot not in self.slopes:
            return 0.0
        if features.shape != self.mean.shape:
            raise ModelError("The usual targets in the model's card are those of another recipe; install the model again.")
        return np.clip((features - self.mean) / self.deviation, -FARTHEST, FARTHEST) @ self.slopes[slot]


def rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def features_of(condition: Tensor, recipe: Recipe) -> np.ndarray:
    """(features,) of a patient's channels: sizes of targets, which structures there are, what the plans give the targets."""
    targets = [target_in(condition, slot, recipe) for slot in TARGET_SLOTS]
    sizes = [float(np.log(max(1, int(inside.sum())))) for inside, _ in targets]
    there = [float((condition[recipe.channels.index(f"SDM:{name}")] > 0).any()) for name in (*TARGET_SLOTS, *recipe.structures)]
    plans = [condition[recipe.channels.index(plan)] for plan in recipe.planned[1:]]
    doses = [dose for inside, own in targets for plan in plans for dose in _levels(plan, inside, own)]
    return np.array([*sizes, *there, *doses])


def target_in(condition: Tensor, slot: str, recipe: Recipe) -> tuple[Tensor, float]:
    """Where a target is, (k, j, i) bool, and its prescription as a share of the highest; 0 where the patient has none."""
    inside = condition[recipe.channels.index(f"SDM:{slot}")] > 0
    return inside, float(condition[recipe.channels.index("Prescription")][inside].median()) if inside.any() else 0.0


def _levels(plan: Tensor, inside: Tensor, own: float) -> list[float]:
    """Of a plan in a target, as shares of its ``own`` prescription; 1 each without a target."""
    if not own:
        return [1.0] * len(LEVELS)
    return [float(dose) / own for dose in np.quantile(plan[inside].float().numpy(), LEVELS)]


def trend_of(features: Sequence[np.ndarray], changes: Mapping[str, Sequence[np.ndarray | None]]) -> Trend:
    """features: of each patient. changes: of each slot, how each patient's DVH (shares,) differs from the median; None without.

    Ridge regression: slopes = (X'X + PENALTY)^-1 X'Y of standardised features X.
    """
    table = np.array(features)
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    standard, slopes = (table - mean) / deviation, {}
    for slot, found in changes.items():
        having = [number for number, one in enumerate(found) if one is not None]
        x, y = standard[having], np.array([found[number] for number in having])
        slopes[slot] = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ (y - y.mean(axis=0)))
    return Trend(mean, deviation, slopes)
