"""Targets' doses drawn towards the usual ones.

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

# Of a target's volume, coldest first: the doses that a DVH is kept as.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True, eq=False)
class UsualTargets:
    """dvh: doses of each target slot at ``SHARES``, as shares of its own prescription; slots that nobody had are absent.

    share: how far a dose is drawn to them.
    """

    dvh: Mapping[str, np.ndarray]
    share: float

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> UsualTargets | None:
        """What the model's card says, if anything. Raises ModelError for an odd value."""
        named = card.get("usual_targets")
        if not named:
            return None
        try:
            found = cls({slot: np.array(named["dvh"][slot], np.float32) for slot in named["dvh"]}, float(named["share"]))
        except (KeyError, TypeError, ValueError):
            found = None
        if found is None or not found._is_sound:
            raise ModelError(f"The model card of {card['id']} has an odd value for usual_targets; install the model again.")
        return found

    @property
    def _is_sound(self) -> bool:
        ordered = all(dvh.shape == (len(SHARES),) and dvh[0] >= 0 and (np.diff(dvh) >= 0).all() for dvh in self.dvh.values())
        return ordered and set(self.dvh) <= set(TARGET_SLOTS) and 0 <= self.share <= 1

    @property
    def in_card(self) -> dict[str, Any]:
        return {"share": self.share, "dvh": {slot: [round(float(one), 4) for one in dvh] for slot, dvh in self.dvh.items()}}

    def joined(self, dose: Tensor, condition: Tensor, recipe: Recipe) -> Tensor:
        """dose: (k, j, i) in the recipe's unit; condition: (channels, k, j, i) -> the dose, its targets drawn to the usual."""
        for slot, dvh in self.dvh.items():
            inside, own = target_in(condition, slot, recipe)
            if own:
                dose = drawn_to_usual(dose, inside, dose_to_unit(dvh * own, 1.0, recipe), self.share)
        return dose


def usual_targets(patients: Iterable[tuple[Tensor, Tensor]], recipe: Recipe, share: float) -> UsualTargets:
    """The median of patients, each condition (channels, k, j, i) and dose (k, j, i) in the recipe's unit."""
    doses: dict[str, list[np.ndarray]] = {slot: [] for slot in TARGET_SLOTS}
    for condition, dose in patients:
        for slot, found in doses.items():
            inside, own = target_in(condition, slot, recipe)
            if own:
                found.append(unit_to_dose(dose[inside].numpy(), 1.0, recipe) / own)
    return UsualTargets({slot: usual_dvh(found) for slot, found in doses.items() if found}, share)


def target_in(condition: Tensor, slot: str, recipe: Recipe) -> tuple[Tensor, float]:
    """Where a target is, (k, j, i) bool, and its prescription as a share of the highest; 0 where the patient has none."""
    inside = condition[recipe.channels.index(f"SDM:{slot}")] > 0
    return inside, float(condition[recipe.channels.index("Prescription")][inside].median()) if inside.any() else 0.0


def usual_dvh(doses: Sequence[np.ndarray]) -> np.ndarray:
    """(shares,) median over patients of the quantiles of a target's dose, (n,) each."""
    return np.median([np.quantile(one, SHARES) for one in doses], axis=0)


def drawn_to_usual(dose: Tensor, inside: Tensor, usual: np.ndarray, share: float) -> Tensor:
    """dose (k, j, i) whose DVH inside the mask is its own and, for ``share``, the usual one; the order of its voxels stays."""
    own, drawn = dose[inside], dose.clone()
    rank = own.argsort().argsort().cpu().numpy() / max(1, len(own) - 1)
    drawn[inside] = own.lerp(torch.from_numpy(np.interp(rank, SHARES, usual)).to(own), share)
    return drawn
