"""A patient at once through a three-dimensional network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core import Recipe
from ..models.fluence_net import FluenceNet
from ..samplers.common import OnStep
from .fluencewise import delivered_volume

Spacing = tuple[float, float, float]


def predicted_volume(
    network: nn.Module, condition: Tensor, recipe: Recipe, spacing: Spacing, *, half: bool, on_step: OnStep | None = None
) -> Tensor:
    """condition: (channels, k, j, i) on voxels of ``spacing`` -> (k, j, i) in the recipe's unit. half: bfloat16 inside."""
    if on_step:
        on_step(0, 1)
    if isinstance(network, FluenceNet):
        dose = delivered_volume(network, condition, recipe, spacing, half=half)
    else:
        dose = _evaluated(network, condition, half=half)
    if on_step:
        on_step(1, 1)
    return dose


def _evaluated(network: nn.Module, condition: Tensor, *, half: bool) -> Tensor:
    given = condition[None].contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode(), torch.autocast(condition.device.type, torch.bfloat16, enabled=half):
        return network(given)[0, 0].float().cpu()
