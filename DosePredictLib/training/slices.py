"""Learning slice by slice: a diffusion model that is conditioned on the channels of a slice (DoseDiff)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..inference.slicewise import sample_slices
from ..inference.weights import diffusion_of
from .augmentation import augment
from .dataset import Patient
from .settings import TrainingRecipe

EMPTY_SLICE_CHANCE = 0.15  # of a slice without dose, beside 1 for the others: there is little to learn from it
NO_DOSE = -0.9  # of [-1, 1]: about 6 % of the prescription


class SliceDiffusion:
    """What a network learns that denoises slices."""

    def __init__(self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device) -> None:
        self.plan, self.device = plan, device
        self.sampler = SliceSampler(patients, plan.training.batch, plan.training.seed)
        self.diffusion = diffusion_of(plan.recipe)

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Mean squared error of the network's output for noisy doses (DoseDiff, Eq. 6)."""
        rng = self.sampler.generator(step)
        batch = augment(self.sampler.draw(rng).to(self.device), self.plan.recipe, self.plan.augmentation, rng)
        given, dose = batch[:, :-1].contiguous(memory_format=torch.channels_last), batch[:, -1:]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(dose.shape, generator=generator).to(dose)
        t = torch.randint(self.diffusion.timesteps, (len(dose),), generator=generator).to(dose.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            output = network(self.diffusion.add_noise(dose, noise, t), t, given)
        return (output.float() - self.diffusion.target(dose, noise, t)).square().mean()

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        """(slices, rows, columns) in [-1, 1]."""
        given = torch.from_numpy(patient.channels.astype(np.float32)).to(self.device)
        return sample_slices(network, self.diffusion, given, steps=self.plan.recipe.steps, seed=0)


class SliceSampler:
    """Draws slices of equal size: patients are grouped by the size of their box; a group is drawn, then slices of it."""

    def __init__(self, patients: Sequence[Patient], batch: int, seed: int) -> None:
        self.batch, self.seed = batch, seed
        sizes = sorted({p.dose.shape[1:] for p in patients})
        self.groups = [[p for p in patients if p.dose.shape[1:] == size] for size in sizes]
        chances = [np.concatenate([slice_chances(p) for p in group]) for group in self.groups]
        self.group_chance = np.array([c.sum() for c in chances]) / sum(c.sum() for c in chances)
        self.slice_chance = [c / c.sum() for c in chances]

    def generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step])

    def draw(self, rng: np.random.Generator) -> Tensor:
        """(batch, channels + dose, rows, columns) float32."""
        which = rng.choice(len(self.groups), p=self.group_chance)
        chance = self.slice_chance[which]
        numbers = rng.choice(len(chance), self.batch, replace=self.batch > len(chance), p=chance)
        return torch.stack([self._image(self.groups[which], int(number)) for number in numbers])

    @staticmethod
    def _image(group: Sequence[Patient], number: int) -> Tensor:
        for patient in group:
            if number < len(patient.dose):
                break
            number -= len(patient.dose)
        return torch.from_numpy(np.concatenate([patient.channels[number], patient.dose[number][None]]).astype(np.float32))


def slice_chances(patient: Patient) -> np.ndarray:
    """Relative chance of each slice to be drawn."""
    return np.where(patient.dose.max(axis=(1, 2)) > NO_DOSE, 1.0, EMPTY_SLICE_CHANCE)
