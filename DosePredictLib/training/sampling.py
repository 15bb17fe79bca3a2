"""Batches of slices; the batch of a step depends on the seed and the step alone, so that a resumed run is the same run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .dataset import Patient


class SliceSampler:
    """Draws slices of equal size: patients are grouped by the size of their box, then one group is drawn by its slices."""

    def __init__(self, patients: Sequence[Patient], batch: int, seed: int) -> None:
        self.batch, self.seed = batch, seed
        sizes = sorted({p.dose.shape[1:] for p in patients})
        self.groups = [[p for p in patients if p.dose.shape[1:] == size] for size in sizes]
        counts = np.array([sum(len(p.dose) for p in group) for group in self.groups], dtype=float)
        self.chance = counts / counts.sum()

    def generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step])

    def draw(self, rng: np.random.Generator) -> Tensor:
        """(batch, channels + dose, rows, columns) float32."""
        group = self.groups[rng.choice(len(self.groups), p=self.chance)]
        slices = np.array([len(p.dose) for p in group])
        ends = np.cumsum(slices)
        picked = rng.choice(ends[-1], self.batch, replace=self.batch > ends[-1])
        return torch.stack([self._image(group, ends, slices, number) for number in picked])

    @staticmethod
    def _image(group: Sequence[Patient], ends: np.ndarray, slices: np.ndarray, number: int) -> Tensor:
        which = int(np.searchsorted(ends, number, side="right"))
        k = int(number - ends[which] + slices[which])
        patient = group[which]
        return torch.from_numpy(np.concatenate([patient.channels[k], patient.dose[k][None]]).astype(np.float32))
