"""Denoising diffusion implicit sampling (Song et al. 2021; DoseDiff, Eq. 7 with its radicand mended)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..diffusion.gaussian import GaussianDiffusion
from .common import Denoise, OnStep, gaussian, strided_timesteps


@torch.no_grad()
def ddim(
    denoise: Denoise,
    noise: Tensor,
    diffusion: GaussianDiffusion,
    *,
    steps: int,
    eta: float = 0.0,
    clip: float | None = 1.0,
    generators: Sequence[torch.Generator] = (),
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 from ``noise`` in ``steps`` evaluations of ``denoise``.

    x_s = sqrt(abar_s) x0 + sqrt(1 - abar_s - sigma^2) epsilon + sigma z, sigma = eta times the DDPM posterior's.
    clip: x_0 estimates are held within [-clip, clip] and epsilon is derived anew. generators: one a sample, for eta > 0.
    """
    x = noise
    times = strided_timesteps(diffusion.timesteps, steps)
    for done, (now, later) in enumerate(zip(times, [*times[1:], None], strict=True), start=1):
        t = torch.full((len(x),), now, dtype=torch.long, device=x.device)
        x_0 = denoise(x, t)
        if clip is not None:
            x_0 = x_0.clamp(-clip, clip)
        x = x_0 if later is None else _towards(x_0, x, t, later, diffusion, eta, generators)
        if on_step:
            on_step(done, steps)
    return x


def _towards(x_0: Tensor, x: Tensor, t: Tensor, later: int, diffusion: GaussianDiffusion, eta: float, generators) -> Tensor:
    abar_t, abar_s = (float(diffusion.alphas_cumprod[index]) for index in (int(t[0]), later))
    sigma = eta * ((1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)) ** 0.5
    x = abar_s**0.5 * x_0 + (1 - abar_s - sigma**2) ** 0.5 * diffusion.noise_of(x_0, x, t)
    return x + sigma * gaussian(x.shape, generators, x.device) if sigma > 0 else x
