"""Fluence by a network that learned to plan, and the dose that it gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from scipy.sparse import sparray
from torch import Tensor, nn
from torch.nn.functional import relu

from ..core import TARGET_SLOTS, Recipe
from ..models.fluence_net import FluenceNet
from ..preprocessing.delivery import Delivery, delivery_of
from ..preprocessing.intensity import dose_to_unit

START = 1  # the plan that fluence begins as: the one that spares organs most
FLUENCE = 5.0  # brings fluence to the order of 1
CHANGE = 0.2  # brings the network's answers to that of fluence
AMISS = 10.0  # brings dose that is too little or too much to the order of 1


class Product(torch.autograd.Function):
    """matrix @ x, (rows, columns) by (columns, n) or (columns,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: sparray) -> Tensor:
        ctx.matrix = matrix
        return product(matrix, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return product(ctx.matrix.T, gradients[0]), None


def product(matrix: sparray, x: Tensor) -> Tensor:
    return torch.from_numpy(matrix @ np.ascontiguousarray(x.detach().cpu().numpy())).to(x.device)


@dataclass(frozen=True, eq=False)
class Seen:
    """A patient as the network sees him, perhaps upside down or mirrored.

    mirror: the regions' numbers in the order of their mirror images; empty where he is not mirrored. lost: of regions not seen.
    """

    delivery: Delivery
    mirror: tuple[int, ...] = ()
    upside_down: bool = False
    lost: tuple[int, ...] = ()
    device: torch.device | str = "cpu"

    @cached_property
    def regions(self) -> Tensor:
        """(points, regions)."""
        regions = torch.from_numpy(self.delivery.regions).clone()
        if self.mirror:
            regions = regions[:, list(self.mirror)]
        regions[:, list(self.lost)] = 0
        return regions.to(self.device)

    @cached_property
    def wanted(self) -> Tensor:
        return torch.from_numpy(self.delivery.wanted).to(self.device)

    @cached_property
    def plans(self) -> Tensor:
        return torch.from_numpy(self.delivery.plans).to(self.device)

    @cached_property
    def _places(self) -> Tensor:
        return torch.from_numpy(self.delivery.places).to(self.device)

    @cached_property
    def given(self) -> Tensor:
        """(fields, regions + plans + 2, rows, columns): what does not change with the fluence."""
        plans, everything = FLUENCE * self.plans, torch.ones_like(self.wanted[:, None])
        are_open = torch.full_like(plans[:, :1], -1.0 if self.mirror else 1.0)  # tells mirror images, whose doses differ, apart
        return self.maps(torch.cat([self.met(self.regions), plans, are_open, self.met(everything)], dim=1))

    def dose(self, fluence: Tensor) -> Tensor:
        """(points,) of (beamlets,)."""
        return cast(Tensor, Product.apply(fluence, self.delivery.matrix))

    def met(self, amount: Tensor) -> Tensor:
        """(beamlets, n): what of amounts (points, n) each beamlet meets, times its dose there, in cc."""
        return cast(Tensor, Product.apply(amount, self.delivery.matrix.T)) * self.delivery.point_cc

    def maps(self, values: Tensor) -> Tensor:
        """(beamlets, n) -> (fields, n, rows, columns)."""
        fields, rows, columns = self.delivery.shape
        flat = values.new_zeros(fields * rows * columns, values.shape[1]).index_copy(0, self._places, values)
        return self._turned(flat.view(fields, rows, columns, -1).permute(0, 3, 1, 2))

    def beamlets(self, maps: Tensor) -> Tensor:
        """(fields, 1, rows, columns) -> (beamlets,)."""
        return self._turned(maps).flatten()[self._places]

    def _turned(self, maps: Tensor) -> Tensor:
        """Its own inverse."""
        if self.mirror:
            maps = maps.flip(3)[[-number % len(maps) for number in range(len(maps))]]  # the field at 40 degrees is that at 320
        return maps.flip(2) if self.upside_down else maps


def unrolled(stages: Iterable[nn.Module], patient: Seen, *, half: bool) -> list[Tensor]:
    """Fluence (beamlets,) after every stage of a member of the network."""
    fluence, found = patient.plans[:, START], []
    for stage in stages:
        told = patient.maps(_told(patient, fluence))
        with torch.autocast(told.device.type, torch.bfloat16, enabled=half):
            change = stage(torch.cat([patient.given, told], dim=1).contiguous(memory_format=torch.channels_last))
        fluence = relu(fluence + CHANGE * patient.beamlets(change.float()))
        found.append(fluence)
    return found


def mean_fluence(network: FluenceNet, patient: Seen, *, half: bool) -> Tensor:
    """(beamlets,) mean of what the members come to."""
    return torch.stack([unrolled(stages, patient, half=half)[-1] for stages in members_of(network)]).mean(dim=0)


def members_of(network: FluenceNet) -> list[list[nn.Module]]:
    return [list(cast(nn.ModuleList, stages)) for stages in network.members]


def _told(patient: Seen, fluence: Tensor) -> Tensor:
    """(beamlets, regions + 3): what the dose of this fluence is in what each beamlet meets."""
    dose = patient.dose(fluence)
    short = (patient.wanted - dose) * patient.regions[:, : len(TARGET_SLOTS)].amax(dim=1)
    amiss = AMISS * torch.stack([relu(short), relu(-short)], dim=1)
    return torch.cat([patient.met(torch.cat([patient.regions * dose[:, None], amiss], dim=1)), FLUENCE * fluence[:, None]], dim=1)


def delivered_volume(
    network: FluenceNet, condition: Tensor, recipe: Recipe, spacing: tuple[float, float, float], *, half: bool
) -> Tensor:
    """condition: (channels, k, j, i) on voxels of ``spacing`` -> (k, j, i) in the recipe's unit."""
    delivery = delivery_of(condition.cpu().numpy(), recipe, spacing)
    with torch.inference_mode():
        fluence = mean_fluence(network, Seen(delivery, device=condition.device), half=half)
    dose = delivery.dose(fluence.cpu().numpy(), recipe.planning.get("beyond_mm", 0.0))
    return torch.from_numpy(dose_to_unit(dose, 1.0, recipe)).float()
