"""Learning what a deterministic answer leaves open: diffusion of its residual (resdose)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..inference.weights import diffusion_of
from ..models.blocks import halved
from ..models.hardware import fast_precision
from ..models.resdose import ResDose, residual_of
from .dataset import Patient
from .settings import TrainingRecipe
from .turned import TurnedCopies
from .volumes import VolumeDose

LEVELS = 8  # of noise in a step, of one patient: his channels and the answer, the costly part, are made once


class ResidualDiffusion(VolumeDose):
    """Mean squared error of the network's output for noisy residuals; what gives the answer stays as it is."""

    def __init__(
        self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device, copies: TurnedCopies | None = None
    ) -> None:
        super().__init__(plan, patients, device, copies)
        self.diffusion = diffusion_of(plan.recipe)

    def loss(self, network: nn.Module, step: int) -> Tensor:
        cast(ResDose, network).correction.requires_grad_(False)
        return super().loss(network, step)

    def _loss_of(self, network: nn.Module, number: int) -> Tensor:
        model = cast(ResDose, network)
        patient, rng = self._drawn(number)
        given, dose, counts = self._changed(patient, rng)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        with torch.no_grad(), fast_precision(self.device):
            answer = model(given)
            seen, residual = model.seen(given, answer), residual_of(dose[None, None], answer)
        t = self._times(generator)
        residual = residual.expand(LEVELS, *residual.shape[1:])
        noise = torch.randn(residual.shape, generator=generator).to(residual)
        with fast_precision(self.device):
            output = model.denoised(self.diffusion.add_noise(residual, noise, t), t, seen).float()
        weight = halved(counts[None, None]).clamp(min=self.plan.training.elsewhere)
        error = (output - self.diffusion.target(residual, noise, t)).square()
        return (weight * error).sum() / (LEVELS * weight.sum())

    def _times(self, generator: torch.Generator) -> Tensor:
        """One in each of ``LEVELS`` equal parts of the process."""
        part = (torch.arange(LEVELS) + torch.rand(LEVELS, generator=generator)) / LEVELS
        return (part * self.diffusion.timesteps).long().to(self.device)
