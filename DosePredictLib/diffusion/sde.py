"""The variance-exploding process dx = sqrt(d[sigma^2]/dt) dw  (Song et al. 2021; DMTP, Eq. 7).

DMTP's Eq. 2 shows the variance-preserving equation, but its Eqs. 7-9 and Algorithm 1 are of this one, with alpha for sigma.
The process is the same wherever its origin lies, so a sample x is counted from a centre of the caller's choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CLOCK = 1000.0  # the network's time at sigma_max; its embedding of time expects about this range


@dataclass(frozen=True)
class VarianceExploding:
    """x_t = x_0 + sigma(t) noise, with sigma geometric between its ends, and what the network's output means in it.

    spread: standard deviation of x_0. With it the network's input and output have unit variance at any noise (Karras et al. 2022,
    Table 1), and a network that returns zero stands for the best linear estimate of x_0.
    Raises ValueError unless 0 < sigma_min < sigma_max and 0 < spread.
    """

    sigma_min: float = 0.01
    sigma_max: float = 0.6
    spread: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.sigma_min < self.sigma_max and self.spread > 0):
            raise ValueError("the noise must rise from sigma_min > 0 to sigma_max, and the spread be positive")

    def sigma(self, t: Tensor) -> Tensor:
        """sigma_min (sigma_max / sigma_min)^t for t in [0, 1]."""
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def levels(self, steps: int, start: float | None = None) -> Tensor:
        """(steps,) float64, geometric from ``start``, sigma_max unless given, down to sigma_min; the first alone for one step."""
        return self.sigma_min * ((start or self.sigma_max) / self.sigma_min) ** torch.linspace(1, 0, steps, dtype=torch.float64)

    def clock(self, sigma: Tensor) -> Tensor:
        """Time as the network is told it: 0 at sigma_min, 1000 at sigma_max, linear in log sigma."""
        span = torch.log(torch.tensor(self.sigma_max / self.sigma_min))
        return CLOCK * torch.log(sigma / self.sigma_min) / span.to(sigma)

    def add_noise(self, x_0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """x_0 + sigma noise for sigma (batch,)."""
        return x_0 + _like(sigma, x_0) * noise

    def scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x with unit variance: the network's input."""
        return x / (self.spread**2 + _like(sigma, x) ** 2).sqrt()

    def target(self, x_0: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """What the network should return for x; its mean squared error is the training loss.

        Denoising score matching (DMTP, Eq. 6) with the weight lambda = sigma^2 (sigma^2 + spread^2) / spread^2.
        """
        shrink, gain = self._shrink_and_gain(x, sigma)
        return (x_0 - shrink * x) / gain

    def clean(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of x_0 that a network output stands for."""
        shrink, gain = self._shrink_and_gain(x, sigma)
        return shrink * x + gain * output

    def score(self, clean: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """grad log p_t(x) = (E[x_0 | x] - x) / sigma^2  (Tweedie)."""
        return (clean - x) / _like(sigma, x) ** 2

    def _shrink_and_gain(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        noise, data = _like(sigma, x), self.spread
        total = noise**2 + data**2
        return data**2 / total, noise * data / total.sqrt()


def _like(sigma: Tensor, x: Tensor) -> Tensor:
    """sigma (batch,), shaped to multiply x."""
    return sigma.reshape(-1, *[1] * (x.ndim - 1)).to(x)
