"""Batches of slices; the batch of a step depends on the seed and the step alone, so that a resumed run is the same run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .dataset import Patient

EMPTY_SLICE_CHANCE = 0.15  # of a slice without dose, beside 1 for the others: there is little to learn from it
NO_DOSE = -0.9  # of [-1, 1]: about 6 % of the prescription


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
