"""Learning at half the resolution, where a coarse network answers: eight times fewer voxels to change and to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ..models.blocks import halved
from ..models.coarse_unet import MOSTLY, CoarseUNet
from .dataset import Patient
from .settings import TrainingRecipe
from .turned import TurnedCopies
from .volumes import VolumeDose, tensor_of

NOWHERE = 1e-3  # of a voxel: less than this of it counts, so none


class CoarseDose(VolumeDose):
    """``VolumeDose`` on halved patients, where a lost organ has a share of no voxel, and not a distance."""

    def __init__(
        self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device, copies: TurnedCopies | None = None
    ) -> None:
        shares = replace(plan, recipe=replace(plan.recipe, distance_unit_mm=1.0, missing_distance_mm=-MOSTLY))
        with torch.device("meta"):  # without values: what it sees depends on none
            network = CoarseUNet(**plan.recipe.network)
        super().__init__(shares, [halved_patient(patient, network) for patient in patients], device, copies)

    def answers(self, network: nn.Module, given: Tensor) -> Tensor:
        return cast(CoarseUNet, network).at_half(given)


def halved_patient(patient: Patient, network: CoarseUNet) -> Patient:
    """The patient at half the resolution, as ``network`` sees him; the dose of a voxel is the mean over what counts of it."""
    volume = tensor_of(patient)[None]
    seen, counts = network.seen(volume[:, :-2])[0], halved(volume[:, -1:])[0, 0]
    dose = halved((volume[:, -2:-1] + 1) * volume[:, -1:])[0, 0] / counts.clamp(min=NOWHERE) - 1
    channels = seen.half().numpy().swapaxes(0, 1)
    return replace(patient, channels=channels, dose=dose.half().numpy(), counts=counts.half().numpy())
