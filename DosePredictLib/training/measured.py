"""Learning what is measured from what is planned: denoising score matching on windows of adjacent slices (DMTP, Eq. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..inference.measured import centre_of, process_of, sample_measured
from ..models.dmtp import DMTP
from ..models.hardware import fast_precision
from . import distributed
from .dataset import Patient
from .settings import TrainingRecipe
from .slices import SliceSampler


class MeasuredDose:
    """What DMTP's network learns. The conditioning channels stay clean: the paper noises them too in training, but not in use."""

    def __init__(self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device) -> None:
        self.plan, self.device = plan, device
        slices = plan.recipe.network.get("slices", 3)
        self.sampler = WindowSampler(patients, plan.training.batch, plan.training.seed, slices)
        self.process = process_of(plan.recipe)

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Mean squared error of the network's output, at noise drawn evenly in log sigma."""
        rng = self.sampler.generator(step)
        batch = distributed.share(mirrored(self.sampler.draw(rng), self.plan.augmentation.flip, rng)).to(self.device)
        given, dose = batch[:, :, :-1], batch[:, :, -1]
        x_0 = dose - centre_of(self.plan.recipe, given[:, :, 0])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(x_0.shape, generator=generator).to(x_0)
        sigma = self.process.sigma(torch.rand(len(x_0), generator=generator)).to(x_0)
        x, condition = self.process.add_noise(x_0, noise, sigma), given.flatten(1, 2)
        with fast_precision(self.device):
            output = network(self.process.scaled(x, sigma), self.process.clock(sigma), condition)
        return (output.float() - self.process.target(x_0, x, sigma)).square().mean()

    def cases(self, step: int) -> list[str]:
        """Names of the patients whose slices make a step."""
        return self.sampler.names(self.sampler.generator(step))

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        """(slices, rows, columns) in [-1, 1]."""
        given = torch.from_numpy(patient.channels.astype(np.float32)).to(self.device)
        return sample_measured(cast(DMTP, network), self.plan.recipe, given, steps=self.plan.recipe.steps, seed=0)


class WindowSampler(SliceSampler):
    """Draws each slice together with its neighbours; beyond the ends, the end."""

    def __init__(self, patients: Sequence[Patient], batch: int, seed: int, slices: int) -> None:
        super().__init__(patients, batch, seed)
        self.reach = slices // 2

    def draw(self, rng: np.random.Generator) -> Tensor:
        """(batch, slices, channels + dose, rows, columns) float32."""
        return torch.stack([self._window(patient, number) for patient, number in self._drawn(rng)])

    def _window(self, patient: Patient, number: int) -> Tensor:
        near = np.clip(np.arange(number - self.reach, number + self.reach + 1), 0, len(patient.dose) - 1)
        return torch.from_numpy(np.concatenate([patient.channels[near], patient.dose[near][:, None]], axis=1).astype(np.float32))


def mirrored(batch: Tensor, probability: float, rng: np.random.Generator) -> Tensor:
    """Each window left-right mirrored by chance. Nothing else: to turn or stretch an image changes its penumbra."""
    return torch.stack([image.flip(-1) if rng.random() < probability else image for image in batch])
