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

LEVELS = 101  # of a DVH: 0, 1, ... 100 % of the volume, coldest first


@dataclass(frozen=True, eq=False)
class UsualTargets:
    """dvh: (LEVELS,) doses of each target slot as shares of its own prescription; slots that nobody had are absent.

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
            found = cls({"": np.zeros(0)}, 0.0)
        if not found._is_sound:
            raise ModelError(f"The model card of {card['id']} has an odd value for usual_targets; install the model again.")
        return found

    @property
    def _is_sound(self) -> bool:
        ordered = all(dvh.shape == (LEVELS,) and dvh[0] >= 0 and (np.diff(dvh) >= 0).all() for dvh in self.dvh.values())
        return ordered and set(self.dvh) <= set(TARGET_SLOTS) and 0 <= self.share <= 1

    @property
    def in_card(self) -> dict[str, Any]:
        return {"share": self.share, "dvh": {slot: [round(float(one), 4) for one in dvh] for slot, dvh in self.dvh.items()}}

    def joined(self, dose: Tensor, condition: Tensor, recipe: Recipe) -> Tensor:
        """dose: (k, j, i) in the recipe's unit; condition: (channels, k, j, i) -> the dose, its targets drawn to the usual."""
        for slot, dvh in self.dvh.items():
            inside, own = target_in(condition, slot, recipe)
            if own:
                dose = drawn_to_usual(dose, inside, torch.from_numpy(dose_to_unit(dvh * own, 1.0, recipe)), self.share)
        return dose


def usual_targets(patients: Iterable[tuple[Tensor, Tensor]], recipe: Recipe, share: float) -> UsualTargets:
    """The median of patients, each condition (channels, k, j, i) and dose (k, j, i) in the recipe's unit."""
    doses: dict[str, list[Tensor]] = {slot: [] for slot in TARGET_SLOTS}
    for condition, dose in patients:
        for slot, found in doses.items():
            inside, own = target_in(condition, slot, recipe)
            if own:
                found.append(torch.from_numpy(unit_to_dose(dose[inside].numpy(), 1.0, recipe)) / own)
    return UsualTargets({slot: usual_dvh(found).numpy() for slot, found in doses.items() if found}, share)


def target_in(condition: Tensor, slot: str, recipe: Recipe) -> tuple[Tensor, float]:
    """Where a target is, (k, j, i) bool, and its prescription as a share of the highest; 0 where the patient has none."""
    inside = condition[recipe.channels.index(f"SDM:{slot}")] > 0
    return inside, float(condition[recipe.channels.index("Prescription")][inside].median()) if inside.any() else 0.0


def usual_dvh(doses: Sequence[Tensor]) -> Tensor:
    """(LEVELS,) median over patients of the quantiles of a target's dose, (n,) each."""
    share = torch.linspace(0, 1, LEVELS)
    return torch.stack([at_shares(one.sort().values, share) for one in doses]).median(dim=0).values


def drawn_to_usual(dose: Tensor, inside: Tensor, usual: Tensor, share: float) -> Tensor:
    """dose (k, j, i) whose DVH inside the mask is its own and, for ``share``, the usual one; the order of its voxels stays."""
    own, drawn = dose[inside], dose.clone()
    rank = own.argsort().argsort() / max(1, len(own) - 1)
    drawn[inside] = own.lerp(at_shares(usual.to(own), rank), share)
    return drawn


def at_shares(ordered: Tensor, share: Tensor) -> Tensor:
    """Values of an ordered (n,), linear between them, at shares 0 ... 1 of its length."""
    position = share.to(ordered) * (len(ordered) - 1)
    below = position.floor().long().clamp(max=max(0, len(ordered) - 2))
    return ordered[below].lerp(ordered[(below + 1).clamp(max=len(ordered) - 1)], position - below)
