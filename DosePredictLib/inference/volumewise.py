"""A patient at once through a three-dimensional network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..samplers.common import OnStep


def predicted_volume(network: nn.Module, condition: Tensor, *, half: bool, on_step: OnStep | None = None) -> Tensor:
    """condition: (channels, k, j, i) -> (k, j, i) in the recipe's unit. half: bfloat16 inside the network."""
    if on_step:
        on_step(0, 1)
    given = condition[None].contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode(), torch.autocast(condition.device.type, torch.bfloat16, enabled=half):
        dose = network(given)[0, 0].float().cpu()
    if on_step:
        on_step(1, 1)
    return dose
