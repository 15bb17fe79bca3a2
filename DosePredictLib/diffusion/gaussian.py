"""The Gaussian diffusion process q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I)  (DoseDiff, Eqs. 1-2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

OUTPUTS = ("epsilon", "v", "x0")
CLOCKS = ("t", "gamma")


def linear_betas(timesteps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """beta_1 ... beta_T, linear, (timesteps,) float64 (DDPM; DoseDiff prints alpha_T = 0.08, a misprint of 0.98)."""
    return torch.linspace(first, last, timesteps, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class GaussianDiffusion:
    """A discrete diffusion process and what the network's output means in it.

    betas: (T,). output: "epsilon" the noise itself; "v" = sqrt(abar) epsilon - sqrt(1 - abar) x_0, from which the noise
    follows as epsilon = sqrt(abar) v + sqrt(1 - abar) x_t; "x0" the clean sample. clock: what the network is told of a step,
    its index "t" or its noise intensity "gamma" = abar_t (DiffDP).
    """

    betas: Tensor
    output: str = "epsilon"
    clock: str = "t"

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"output {self.output!r} is not one of {OUTPUTS}")
        if self.clock not in CLOCKS:
            raise ValueError(f"clock {self.clock!r} is not one of {CLOCKS}")
        object.__setattr__(self, "alphas_cumprod", torch.cumprod(1 - self.betas.double(), dim=0))

    alphas_cumprod: Tensor = None  # type: ignore[assignment]

    @property
    def timesteps(self) -> int:
        return len(self.betas)

    def scales(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """(sqrt(abar_t), sqrt(1 - abar_t)) for indices t (batch,), shaped to multiply ``like``."""
        abar = self._abar(t).reshape(-1, *[1] * (like.ndim - 1))
        signal, sigma = (one.sqrt().to(like.dtype).to(like.device) for one in (abar, 1 - abar))
        return signal, sigma

    def told(self, t: Tensor) -> Tensor:
        """What the network is told of the indices t (batch,)."""
        return t if self.clock == "t" else self._abar(t).float().to(t.device)

    def _abar(self, t: Tensor) -> Tensor:
        """(batch,) float64, so on the CPU: Apple's GPUs do not have it."""
        return self.alphas_cumprod[t.cpu()]

    def add_noise(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise."""
        signal, sigma = self.scales(t, x_0)
        return signal * x_0 + sigma * noise

    def target(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should return for x_t; its mean squared error is the training loss."""
        signal, sigma = self.scales(t, x_0)
        return {"epsilon": noise, "x0": x_0, "v": signal * noise - sigma * x_0}[self.output]

    def clean(self, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The estimate of x_0 that a network output stands for."""
        signal, sigma = self.scales(t, x_t)
        if self.output == "x0":
            return output
        return signal * x_t - sigma * output if self.output == "v" else (x_t - sigma * output) / signal

    def noise_of(self, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """epsilon such that x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) epsilon."""
        signal, sigma = self.scales(t, x_t)
        return (x_t - signal * x_0) / sigma
