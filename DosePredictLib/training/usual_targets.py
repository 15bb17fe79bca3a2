"""Targets' doses drawn towards the usual ones.

How hot and how cold a target gets is more the planner's choice than the anatomy's: on OpenKBP's validation patients a constant
predicts D95% of PTV70 better than a network that learned each patient's own (docs/experiments.md). What is learned by heart
there can be kept from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LEVELS = 201  # of a DVH: 0, 0.5, ... 100 % of the volume


def usual_dvh(doses: Sequence[Tensor]) -> Tensor:
    """(LEVELS,) median over patients of the quantiles of a target's dose, (n,) each; of no patients, nothing: (0,)."""
    if not doses:
        return torch.zeros(0)
    share = torch.linspace(0, 1, LEVELS)
    return torch.stack([at_shares(one.sort().values, share) for one in doses]).median(dim=0).values


def drawn_to_usual(dose: Tensor, inside: Sequence[Tensor], usual: Sequence[Tensor], share: float) -> Tensor:
    """dose (k, j, i) whose DVH in each target is its own and, for ``share``, the usual one; the order of its voxels stays.

    inside: (k, j, i) bool of each target. usual: as of ``usual_dvh``, of each.
    """
    dose = dose.clone()
    for mask, dvh in zip(inside, usual, strict=True):
        own = dose[mask]
        if len(own) and len(dvh):
            rank = own.argsort().argsort() / max(1, len(own) - 1)
            dose[mask] = own.lerp(at_shares(dvh.to(own), rank), share)
    return dose


def at_shares(ordered: Tensor, share: Tensor) -> Tensor:
    """Values of an ordered (n,), linear between them, at shares 0 ... 1 of its length."""
    position = share.to(ordered) * (len(ordered) - 1)
    below = position.floor().long().clamp(max=max(0, len(ordered) - 2))
    return ordered[below].lerp(ordered[(below + 1).clamp(max=len(ordered) - 1)], position - below)
