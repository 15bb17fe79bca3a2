"""Predictor-corrector sampling of a variance-exploding process (Song et al. 2021; DMTP, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .common import OnStep, gaussian

Score = Callable[[Tensor, Tensor], Tensor]
"""(x, sigma (batch,)) -> gradient of the log density of x at that noise, same shape as x."""


@torch.no_grad()
def predictor_corrector(
    score: Score,
    noise: Tensor,
    sigmas: Tensor,
    *,
    generators: Sequence[torch.Generator],
    corrections: int = 1,
    snr: float = 0.16,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 from ``noise`` ~ N(0, sigmas[0]^2) in len(sigmas) predictions, each but the last followed by ``corrections``.

    sigmas: (steps,) falling; the last prediction goes on to zero noise and returns its mean. snr: r of ``corrected``.
    The corrector sees sigma_i, as in Algorithm 1; Eq. 9 prints alpha_(i+1), with which the spread would come out too large.
    """
    x, steps = noise, len(sigmas)
    for done, (now, later) in enumerate(zip(sigmas, [*sigmas[1:], None], strict=True), start=1):
        level = now.to(x).expand(len(x))
        if later is None:
            x = predicted(x, score(x, level), float(now), 0.0)
        else:
            x = predicted(x, score(x, level), float(now), float(later), gaussian(x.shape, generators, x.device))
            level = later.to(x).expand(len(x))
            for _ in range(corrections):
                x = corrected(x, score(x, level), snr, gaussian(x.shape, generators, x.device))
        if on_step:
            on_step(done, steps)
    return x


def predicted(x: Tensor, score: Tensor, now: float, later: float, noise: Tensor | float = 0.0) -> Tensor:
    """One step of reverse diffusion, x + (sigma_(i+1)^2 - sigma_i^2) s + sqrt(sigma_(i+1)^2 - sigma_i^2) z  (DMTP, Eq. 8)."""
    variance = now**2 - later**2
    return x + variance * score + variance**0.5 * noise


def corrected(x: Tensor, score: Tensor, snr: float, noise: Tensor) -> Tensor:
    """One step of annealed Langevin dynamics, x + eps s + sqrt(2 eps) z  (DMTP, Eq. 9).

    eps = 2 (r |z| / |s|)^2 (Song et al. 2021, Algorithm 4), of each image by itself: Song's code averages the norms over the
    batch, so that an image would depend on what else is in it.
    """
    size = 2 * (snr * _norm(noise) / _norm(score).clamp_min(1e-12)) ** 2
    return x + size * score + (2 * size).sqrt() * noise


def _norm(x: Tensor) -> Tensor:
    """Euclidean norm of each image, shaped to multiply x."""
    return x.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.ndim - 1))
