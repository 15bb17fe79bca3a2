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
    """x_0 from ``noise`` through all T steps, with the true posterior's variance beta_t (1 - abar_{t-1}) / (1 - abar_t)."""
    x = noise
    for done, index in enumerate(reversed(range(diffusion.timesteps)), start=1):
        t = torch.full((len(x),), index, dtype=torch.long, device=x.device)
        x_0 = denoise(x, t)
        if clip is not None:
            x_0 = x_0.clamp(-clip, clip)
        x = _posterior_sample(x_0, x, index, diffusion, generators)
        if on_step:
            on_step(done, diffusion.timesteps)
    return x


def _posterior_sample(x_0: Tensor, x: Tensor, index: int, diffusion: GaussianDiffusion, generators) -> Tensor:
    """A draw from q(x_{t-1} | x_t, x_0) (DDPM, Eqs. 6-7)."""
    beta = float(diffusion.betas[index])
    abar = float(diffusion.alphas_cumprod[index])
    abar_before = float(diffusion.alphas_cumprod[index - 1]) if index else 1.0
    mean = (abar_before**0.5 * beta * x_0 + (1 - beta) ** 0.5 * (1 - abar_before) * x) / (1 - abar)
    if index == 0:
        return mean
    return mean + (beta * (1 - abar_before) / (1 - abar)) ** 0.5 * gaussian(x.shape, generators, x.device)
