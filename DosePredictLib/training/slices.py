"""Learning slice by slice: a diffusion model that is conditioned on the channels of a slice (DoseDiff, DiffDP)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..inference.slicewise import sample_slices
from ..inference.weights import diffusion_of
from ..models.hardware import fast_precision
from . import distributed
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
        """Error of the network's output for noisy doses (DoseDiff, Eq. 6; DiffDP, Eq. 9)."""
        given, dose, generator = self.batch(step)
        noise, t = self.noise(dose, generator)
        with fast_precision(self.device):
            output = network(self.diffusion.add_noise(dose, noise, t), self.diffusion.told(t), given)
        return self.error(output.float(), self.diffusion.target(dose, noise, t))

    def batch(self, step: int) -> tuple[Tensor, Tensor, torch.Generator]:
        """Channels and dose of this process's share of ``step``, and a source of noise."""
        rng = self.sampler.generator(step)
        batch = augment(self.sampler.draw(rng).to(self.device), self.plan.recipe, self.plan.augmentation.at(step), rng)
        own = distributed.share(batch)
        given, dose = own[:, :-1].contiguous(memory_format=torch.channels_last), own[:, -1:]
        return given, dose, torch.Generator().manual_seed(int(rng.integers(2**62)))

    def noise(self, dose: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noise like ``dose``, and a time step for each slice."""
        count = distributed.count() * len(dose)  # drawn for the whole step, so that it is the same on any number of processes
        noise = torch.randn((count, *dose.shape[1:]), generator=generator)
        t = torch.randint(self.diffusion.timesteps, (count,), generator=generator)
        return distributed.share(noise).to(dose), distributed.share(t).to(dose.device)

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean over pixels, in the recipe's norm."""
        difference = output - target
        return difference.abs().mean() if self.plan.training.norm == "L1" else difference.square().mean()

    def cases(self, step: int) -> list[str]:
        """Names of the patients whose slices make a step."""
        return self.sampler.names(self.sampler.generator(step))

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
        return torch.stack([_image(patient, number) for patient, number in self._drawn(rng)])

    def names(self, rng: np.random.Generator) -> list[str]:
        """Of the patients that ``draw`` would draw from."""
        return sorted({patient.id for patient, _ in self._drawn(rng)})

    def _drawn(self, rng: np.random.Generator) -> list[tuple[Patient, int]]:
        which = rng.choice(len(self.groups), p=self.group_chance)
        chance = self.slice_chance[which]
        numbers = rng.choice(len(chance), self.batch, replace=self.batch > len(chance), p=chance)
        return [_slice_of(self.groups[which], int(number)) for number in numbers]


def _slice_of(group: Sequence[Patient], number: int) -> tuple[Patient, int]:
    """The patient, and the slice in him, that is slice ``number`` of all of the group."""
    ends = np.cumsum([len(patient.dose) for patient in group])
    which = int(np.searchsorted(ends, number, side="right"))
    return group[which], number - int(ends[which]) + len(group[which].dose)


def _image(patient: Patient, number: int) -> Tensor:
    return torch.from_numpy(np.concatenate([patient.channels[number], patient.dose[number][None]]).astype(np.float32))


def slice_chances(patient: Patient) -> np.ndarray:
    """Relative chance of each slice to be drawn."""
    return np.where(patient.dose.max(axis=(1, 2)) > NO_DOSE, 1.0, EMPTY_SLICE_CHANCE)
