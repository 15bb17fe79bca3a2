"""A second network that answers beside the first: two that were trained apart err less together than either alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from .. import registry
from ..core import ModelError, Recipe
from . import weights
from .volumewise import predicted_volume

MAY_DIFFER = ("model", "network", "planning", "diffusion", "steps")  # settings that change no channel which both see


@dataclass(frozen=True, eq=False)
class Companion:
    """channels: how many of the first network's it sees, from the first on. share: of its answer in the mean of both."""

    network: nn.Module
    channels: int
    share: float

    @classmethod
    def of(cls, model: registry.ModelInfo, recipe: Recipe, device: torch.device) -> Companion | None:
        """The companion that the model's card names, if any. Raises ModelError where it is not there or does not fit."""
        found = registry.companion(model)
        if found is None:
            return None
        network, theirs = weights.load(found.weights, device)
        if not fits(theirs, recipe):
            raise ModelError(f"{found.id} cannot answer beside {model.id}: it sees other channels, or another grid.")
        return cls(network, len(theirs.channels), float(model.card["companion"]["share"]))

    def joined(self, answer: Tensor, condition: Tensor, *, half: bool) -> Tensor:
        """answer: (k, j, i), the first network's; condition: (channels, k, j, i), what it saw -> the mean of both answers."""
        return answer.lerp(predicted_volume(self.network, condition[: self.channels], half=half), self.share)


def fits(theirs: Recipe, ours: Recipe) -> bool:
    """Whether a network of ``theirs`` answers at once, and sees the first channels of ``ours`` on the same grid."""
    same = all(getattr(theirs, f.name) == getattr(ours, f.name) for f in fields(Recipe) if f.name not in MAY_DIFFER)
    return theirs.answers_at_once and same and theirs.planning in ({}, ours.planning)
