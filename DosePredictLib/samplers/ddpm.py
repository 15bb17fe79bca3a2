"""Ancestral sampling of the whole chain (Ho et al. 2020; DoseDiff, Eqs. 3 and 5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..diffusion.gaussian import GaussianDiffusion
from .common import Denoise, OnStep, gaussian


@torch.no_grad()
def ddpm(
    denoise: Denoise,
    noise: Tensor,
    diffusion: GaussianDiffusion,
    *,
    generators: Sequence[torch.Generator],
    clip: float | None = 1.0,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 from ``noise`` through all T steps, each with the variance 1 - alpha_t = beta_t of DoseDiff's Eq. 3."""
    x = noise
    for done, index in enumerate(reversed(range(diffusion.timesteps)), start=1):
        t = torch.full((len(x),), index, dtype=torch.long, device=x.device)
        x_0 = denoise(x, t)
        if clip is not None:
            x_0 = x_0.clamp(-clip, clip)
        x = _posterior_mean(x_0, x, index, diffusion)
        if index > 0:
            x = x + float(diffusion.betas[index]) ** 0.5 * gaussian(x.shape, generators, x.device)
        if on_step:
            on_step(done, diffusion.timesteps)
    return x


def _posterior_mean(x_0: Tensor, x: Tensor, index: int, diffusion: GaussianDiffusion) -> Tensor:
    """Mean of q(x_{t-1} | x_t, x_0) (DDPM, Eq. 7)."""
    beta = float(diffusion.betas[index])
    abar = float(diffusion.alphas_cumprod[index])
    abar_before = float(diffusion.alphas_cumprod[index - 1]) if index else 1.0
    return (abar_before**0.5 * beta * x_0 + (1 - beta) ** 0.5 * (1 - abar_before) * x) / (1 - abar)
