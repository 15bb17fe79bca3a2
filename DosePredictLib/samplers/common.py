"""What every sampler shares: the denoiser it is given, its clock, and its sources of chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x_t, t (batch,) int64) -> estimate of x_0, same shape as x_t."""

OnStep = Callable[[int, int], None]
"""(steps done, steps in all); may raise Cancelled."""


def strided_timesteps(timesteps: int, steps: int) -> list[int]:
    """``steps`` indices from T-1 downwards, evenly spaced: tau_S = T as in DoseDiff, section 2.2."""
    if not 1 <= steps <= timesteps:
        raise ValueError(f"steps must be 1...{timesteps}, not {steps}")
    return [round(timesteps * (index + 1) / steps) - 1 for index in reversed(range(steps))]


def gaussian(shape: Sequence[int], generators: Sequence[torch.Generator], device: torch.device) -> Tensor:
    """Standard normal noise, one generator a sample, drawn on the CPU: the same on every device, in every batch."""
    if len(generators) != shape[0]:
        raise ValueError(f"{shape[0]} samples need as many generators, not {len(generators)}")
    return torch.stack([torch.randn(tuple(shape[1:]), generator=g) for g in generators]).to(device)
