"""How targets' DVHs depend on the anatomy: a trend over patients (kernel ridge regression), beside what is usual.

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

PENALTY = 0.25  # chosen, as the kernel's width was, by cross-validation among OpenKBP's training patients
ROUNDS = 20  # of reweighting
FARTHEST = 3.0  # standard deviations from the mean that a feature is taken for at most
LEVELS = (0.01, 0.05, 0.5, 0.99)  # of a target's volume, coldest first, at which doses of the plans are features


@dataclass(frozen=True, eq=False)
class Trend:
    """mean, deviation: (features,) over patients. patients: (patients, features) standardised, of those who taught it.

    weights: (patients, shares) of each target slot, 0 for patients without that target.
    """

    mean: np.ndarray
    deviation: np.ndarray
    patients: np.ndarray
    weights: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Trend:
        """What a model's card says. Raises KeyError, TypeError or ValueError for an odd value."""
        weights = {slot: np.array(one, np.float32) for slot, one in values["weights"].items()}
        mean, deviation, patients = (np.array(values[name], np.float32) for name in ("mean", "deviation", "patients"))
        return cls(mean, deviation, patients, weights)

    def is_sound(self, dvh: Mapping[str, np.ndarray]) -> bool:
        """Whether it belongs to DVHs of these slots and lengths."""
        if self.patients.ndim != 2 or {self.mean.shape, self.deviation.shape} != {self.patients.shape[1:]}:
            return False
        fits = all(slot in dvh and one.shape == (len(self.patients), len(dvh[slot])) for slot, one in self.weights.items())
        finite = all(np.isfinite(one).all() for one in (self.mean, self.deviation, self.patients, *self.weights.values()))
        return fits and finite and bool((self.deviation > 0).all())

    @property
    def in_card(self) -> dict[str, Any]:
        weights = {slot: np.round(one.astype(float), 5).tolist() for slot, one in self.weights.items()}
        patients = np.round(self.patients.astype(float), 3).tolist()
        return {"mean": rounded(self.mean), "deviation": rounded(self.deviation), "patients": patients, "weights": weights}

    def change(self, slot: str, features: np.ndarray) -> np.ndarray | float:
        """(shares,): how the DVH of a patient's target differs from the usual. Raises ModelError for other features."""
        if slot not in self.weights:
            return 0.0
        if features.shape != self.mean.shape:
            raise ModelError("The usual targets in the model's card are those of another recipe; install the model again.")
        return likeness(standardised(features[None], self.mean, self.deviation), self.patients)[0] @ self.weights[slot]


def standardised(features: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.clip((features - mean) / deviation, -FARTHEST, FARTHEST)


def likeness(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(some, others) of standardised features (patients, features): exp(-mean squared difference / 2)."""
    return np.exp(-((some[:, None] - others[None]) ** 2).mean(axis=2) / 2)


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


def trend_of(
    features: Sequence[np.ndarray], curves: Mapping[str, Sequence[np.ndarray | None]]
) -> tuple[Trend, dict[str, np.ndarray]]:
    """The trend, and the usual DVH (shares,) in each slot, to which it is added.

    features: of each patient. curves: of each slot, each patient's DVH (shares,); None without.
    """
    table = np.array(features)
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    patients = standardised(table, mean, deviation)
    kernel, weights, usual = likeness(patients, patients), {}, {}
    for slot, found in curves.items():
        having = [number for number, one in enumerate(found) if one is not None]
        values = np.array([found[number] for number in having])
        fits = [robust_fit(kernel[np.ix_(having, having)], one) for one in values.T]
        weights[slot] = np.zeros((len(table), values.shape[1]))
        weights[slot][having] = np.stack([weight for weight, _ in fits], axis=1)
        usual[slot] = np.array([constant for _, constant in fits])
    return Trend(mean, deviation, patients, weights), usual


def robust_fit(kernel: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (patients,) and constant, so that kernel @ weights + constant follows values (patients,).

    Kernel ridge regression with Huber's loss, by iteratively reweighted least squares: residuals beyond their median count by
    their size, not its square. A few targets get far less than they should, which says nothing of those of other patients.
    """
    constant, trust = float(np.median(values)), np.ones(len(values))
    for _ in range(ROUNDS):
        weights = np.linalg.solve(kernel + PENALTY * np.diag(trust.mean() / trust), values - constant)
        left = values - kernel @ weights - constant
        trust = 1 / np.maximum(np.abs(left), max(float(np.median(np.abs(left))), 1e-6))
        constant += float(np.average(left, weights=trust))
    return weights, constant
