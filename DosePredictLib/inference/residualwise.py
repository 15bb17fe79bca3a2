"""Draws around a deterministic answer, from the diffusion of its residual (resdose)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..diffusion.gaussian import GaussianDiffusion
from ..models.resdose import ResDose, with_residual
from ..samplers.common import OnStep
from .slicewise import sampled


def drawn_volume(
    network: ResDose,
    diffusion: GaussianDiffusion,
    condition: Tensor,
    answer: Tensor,
    *,
    steps: int,
    seed: int,
    half: bool,
    on_step: OnStep | None = None,
) -> Tensor:
    """One draw of the dose. condition: (channels, k, j, i); answer: (k, j, i), the network's own -> (k, j, i), its unit."""
    given, middle = condition[None], answer[None, None].to(condition.device)
    if on_step:
        on_step(0, steps)
    with torch.inference_mode(), torch.autocast(condition.device.type, torch.bfloat16, enabled=half):
        seen = network.seen(given, middle)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            return diffusion.clean(network.denoised(x, t, seen).float(), x, t)

        shape = (1, 1, *seen.shape[2:])
        residual = sampled(denoise, shape, diffusion, steps=steps, seed=seed, device=condition.device, on_step=on_step, clip=None)
        return with_residual(middle.float(), residual)[0, 0].cpu()
