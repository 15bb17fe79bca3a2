"""Targets' doses drawn towards what targets of such patients usually get.

How hot and how cold a target gets is more the planner's choice than the anatomy's: on OpenKBP's validation patients a constant
predicts D95% of PTV70 better than a network that learned each patient's own (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core import TARGET_SLOTS, ModelError, Recipe
from ..preprocessing.intensity import dose_to_unit, unit_to_dose
from .target_trend import Trend, features_of, target_in, trend_of

# Of a target's volume, coldest first: the doses that a DVH is kept as.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True, eq=False)
class UsualTargets:
    """dvh: usual doses of each target slot at ``SHARES``, as shares of its own prescription; slots that nobody had are absent.

    share: how far a dose is drawn to them. trend: how they depend on the patient; None where they are the same for all.
    """

    dvh: Mapping[str, np.ndarray]
    share: float
    trend: Trend | None = None

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> UsualTargets | None:
        """What the model's card says, if anything. Raises ModelError for an odd value."""
        named = card.get("usual_targets")
        if not named:
            return None
        try:
            dvh = {slot: np.array(named["dvh"][slot], np.float32) for slot in named["dvh"]}
            found = cls(dvh, float(named["share"]), Trend.of(named["trend"]) if "trend" in named else None)
        except (KeyError, TypeError, ValueError):
            found = None
        if found is None or not found._is_sound:
            raise ModelError(f"The model card of {card['id']} has an odd value for usual_targets; install the model again.")
        return found

    @property
    def _is_sound(self) -> bool:
        ordered = all(dvh.shape == (len(SHARES),) and dvh[0] >= 0 and (np.diff(dvh) >= 0).all() for dvh in self.dvh.values())
        known = set(self.dvh) <= set(TARGET_SLOTS) and (self.trend is None or self.trend.is_sound(self.dvh))
        return ordered and known and 0 <= self.share <= 1

    @property
    def in_card(self) -> dict[str, Any]:
        dvh = {slot: [round(float(one), 4) for one in values] for slot, values in self.dvh.items()}
        return {"share": self.share, "dvh": dvh, **({"trend": self.trend.in_card} if self.trend else {})}

    def joined(self, dose: Tensor, condition: Tensor, recipe: Recipe) -> Tensor:
        """dose: (k, j, i) in the recipe's unit; condition: (channels, k, j, i) -> the dose, its targets drawn to the usual."""
        features = features_of(condition.cpu(), recipe) if self.trend else None
        for slot in self.dvh:
            inside, own = target_in(condition, slot, recipe)
            if own:
                usual = self.expected(slot, features) * own
                dose = drawn_to_usual(dose, inside, dose_to_unit(usual, 1.0, recipe), self.share)
        return dose

    def expected(self, slot: str, features: np.ndarray | None) -> np.ndarray:
        """(shares,) of the own prescription, coldest first."""
        if self.trend is None or features is None:
            return self.dvh[slot]
        return np.maximum.accumulate(np.maximum(0, self.dvh[slot] + self.trend.change(slot, features)))


def usual_targets(patients: Iterable[tuple[Tensor, Tensor]], recipe: Recipe, share: float) -> UsualTargets:
    """What is usual among patients, and its trend: each condition (channels, k, j, i) and dose (k, j, i) in the recipe's unit."""
    features: list[np.ndarray] = []
    curves: dict[str, list[np.ndarray | None]] = {slot: [] for slot in TARGET_SLOTS}
    for condition, dose in patients:
        features.append(features_of(condition, recipe))
        for slot, found in curves.items():
            inside, own = target_in(condition, slot, recipe)
            found.append(np.quantile(unit_to_dose(dose[inside].numpy(), 1.0, recipe) / own, SHARES) if own else None)
    dvh = {slot: median for slot, found in curves.items() if (median := usual_dvh(found)) is not None}
    if not recipe.planned:
        return UsualTargets(dvh, share)
    trend, usual = trend_of(features, {slot: curves[slot] for slot in dvh})
    return UsualTargets({slot: np.maximum.accumulate(one) for slot, one in usual.items()}, share, trend)


def usual_dvh(curves: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """(shares,) median of patients' DVHs, each (shares,); None where nobody has the target."""
    found = [one for one in curves if one is not None]
    return np.median(found, axis=0) if found else None


def drawn_to_usual(dose: Tensor, inside: Tensor, usual: np.ndarray, share: float) -> Tensor:
    """dose (k, j, i) whose DVH inside the mask is its own and, for ``share``, the usual one; the order of its voxels stays."""
    own, drawn = dose[inside], dose.clone()
    rank = own.argsort().argsort().cpu().numpy() / max(1, len(own) - 1)
    drawn[inside] = own.lerp(torch.from_numpy(np.interp(rank, SHARES, usual)).to(own), share)
    return drawn
