"""Networks that answer beside the first: some that were trained apart err less together than any of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from .. import registry
from ..core import ModelError, Recipe
from ..models.coarse_unet import CoarseUNet, smoothed
from . import weights
from .volumewise import Spacing, predicted_volume

MAY_DIFFER = ("model", "network", "planning", "diffusion", "steps")  # settings that change no channel which both see


@dataclass(frozen=True, eq=False)
class Companion:
    """It sees as many of the first network's channels as ``recipe`` has. share: of its answer in the mean of all."""

    network: nn.Module
    recipe: Recipe
    share: float

    def departure(self, answer: Tensor, condition: Tensor, spacing: Spacing, *, half: bool) -> Tensor:
        """(k, j, i): its answer less the first network's ``answer``; of a coarse network what is smooth, as finer is not its own.

        condition: (channels, k, j, i), what the first network saw, on voxels of ``spacing``.
        """
        given = condition[: len(self.recipe.channels)]
        found = predicted_volume(self.network, given, self.recipe, spacing, half=half) - answer
        return smoothed(found) if isinstance(self.network, CoarseUNet) else found


def companions_of(model: registry.ModelInfo, recipe: Recipe, device: torch.device) -> tuple[Companion, ...]:
    """Those that the model's card names. Raises ModelError where one is not there or does not fit."""
    named = registry.named_companions(model.card)
    return tuple(
        _loaded(one, float(entry["share"]), model, recipe, device)
        for one, entry in zip(registry.companions(model), named, strict=True)
    )


def _loaded(
    companion: registry.ModelInfo, share: float, model: registry.ModelInfo, recipe: Recipe, device: torch.device
) -> Companion:
    network, theirs = weights.load(companion.weights, device)
    if not fits(theirs, recipe):
        raise ModelError(f"{companion.id} cannot answer beside {model.id}: it sees other channels, or another grid.")
    return Companion(network, theirs, share)


def joined(answer: Tensor, condition: Tensor, companions: Sequence[Companion], spacing: Spacing, *, half: bool) -> Tensor:
    """The mean of the first network's answer (k, j, i) and its companions', by their shares; the first has the rest."""
    return sum((one.share * one.departure(answer, condition, spacing, half=half) for one in companions), start=answer)


def fits(theirs: Recipe, ours: Recipe) -> bool:
    """Whether a network of ``theirs`` answers at once, and sees the first channels of ``ours`` on the same grid."""
    same = all(getattr(theirs, f.name) == getattr(ours, f.name) for f in fields(Recipe) if f.name not in MAY_DIFFER)
    return theirs.answers_at_once and same and theirs.planning in ({}, ours.planning)
