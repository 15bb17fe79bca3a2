"""Learning DiffDP in two stages: its structure encoder alone, then the noise predictor with it (sections 2.2 and 2.4)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..inference.slicewise import estimated_slices
from ..models.diffdp import DiffDP
from ..models.hardware import fast_precision
from .dataset import Patient
from .slices import SliceDiffusion


class StructureDose(SliceDiffusion):
    """The first stage: the structure encoder predicts the dose, L1."""

    def loss(self, network: nn.Module, step: int) -> Tensor:
        given, dose, _ = self.batch(step)
        assert isinstance(network, DiffDP)
        with fast_precision(self.device):
            found = network.estimate(network.encode(given))
        return (found.float() - dose).abs().mean()

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        """(slices, rows, columns) in [-1, 1]."""
        assert isinstance(network, DiffDP)
        return estimated_slices(network, torch.from_numpy(patient.channels.astype(np.float32)).to(self.device))


class GuidedDiffusion(SliceDiffusion):
    """The second stage: the noise loss trains both (Eq. 9), and a little of the first loss keeps the encoder's own dose right."""

    def loss(self, network: nn.Module, step: int) -> Tensor:
        given, dose, generator = self.batch(step)
        noise, t = self.noise(dose, generator)
        assert isinstance(network, DiffDP)
        with fast_precision(self.device):
            features = network.encode(given)
            output = network(self.diffusion.add_noise(dose, noise, t), self.diffusion.told(t), features)
            found = network.estimate(features)
        noise_loss = self.error(output.float(), self.diffusion.target(dose, noise, t))
        return noise_loss + self.plan.training.estimate_weight * (found.float() - dose).abs().mean()
