"""Learning fluence: what nine fields deliver is compared with the planned dose, at the points where plans are optimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..core import TARGET_SLOTS, Recipe
from ..inference.fluencewise import Seen, delivered_volume, members_of, unrolled
from ..models.fluence_net import FluenceNet
from ..preprocessing.delivery import SHELLS, Delivery, delivery_of
from .augmentation import other_side
from .dataset import Patient
from .deformation import along_axis, within_slices
from .settings import TrainingRecipe
from .volumes import VolumeDose, criteria_distance, dvh_distance, tensor_of

ZOOMED = 2  # copies of every patient
HOTTEST = 0  # points hotter than D0.1cc: each stands for 0.3 cc
EARLIER_STAGE = 0.3  # weight of the dose that an earlier stage gives


@dataclass(frozen=True, eq=False)
class Planned:
    """Fields on a patient, and the planned dose (points,) at the points of which ``counts`` is true."""

    delivery: Delivery
    dose: Tensor
    counts: Tensor

    @cached_property
    def structures(self) -> list[Tensor]:
        """Targets and organs, (points,) bool each, where dose counts."""
        inside = torch.from_numpy(self.delivery.regions[:, :-SHELLS] > 0)
        return [one & self.counts for one in inside.unbind(dim=1)]


class FluenceDose(VolumeDose):
    """``VolumeDose`` of a network that answers in fluence. Every stage's dose counts, the last one's most.

    Fields on a patient are computed once and kept, some 10 MB each; so are those on his zoomed copies.
    """

    def __init__(self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device) -> None:
        super().__init__(plan, patients, device)
        self.kept: dict[tuple[str, int], Planned] = {}

    def _loss_of(self, network: nn.Module, number: int) -> Tensor:
        patient, rng = self._drawn(number)
        copy = int(rng.integers(1, ZOOMED + 1)) if rng.random() < self.augmentation.copies else 0
        planned = self._planned(patient, copy)
        seen = self._changed_view(planned.delivery, rng)
        losses = [self._member_loss(stages, seen, planned) for stages in members_of(cast(FluenceNet, network))]
        return torch.stack(losses).mean()

    def _member_loss(self, stages: list[nn.Module], seen: Seen, planned: Planned) -> Tensor:
        doses = [seen.dose(fluence).to(planned.dose) for fluence in unrolled(stages, seen, half=True)]
        *earlier, error = [(dose - planned.dose)[planned.counts].abs().mean() for dose in doses]
        last = doses[-1], planned.dose, planned.structures
        shape = self.plan.training.dvh_weight * dvh_distance(*last)
        if self.plan.training.criteria_weight:
            shape = shape + self.plan.training.criteria_weight * criteria_distance(*last, HOTTEST)
        return error + EARLIER_STAGE * sum(earlier) + shape

    def _planned(self, patient: Patient, copy: int) -> Planned:
        if (patient.id, copy) not in self.kept:
            self.kept[patient.id, copy] = planned_on(zoomed(patient, copy, self.augmentation.zoom), self.plan.recipe)
        return self.kept[patient.id, copy]

    def _changed_view(self, delivery: Delivery, rng: np.random.Generator) -> Seen:
        recipe, settings = self.plan.recipe, self.augmentation
        mirror = mirror_images(recipe) if rng.random() < settings.flip else ()
        upside_down = bool(rng.random() < settings.upside_down)
        organs = range(len(TARGET_SLOTS), len(TARGET_SLOTS) + len(recipe.structures))
        lost = tuple(organ for organ in organs if rng.random() < settings.drop)
        return Seen(delivery, mirror, upside_down, lost, self.device)

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        condition = tensor_of(patient)[:-2].to(self.device)
        return delivered_volume(cast(FluenceNet, network), condition, self.plan.recipe, patient.spacing_mm, half=True)


def planned_on(patient: Patient, recipe: Recipe) -> Planned:
    """The patient's fields, without what only doses at all voxels need."""
    channels = patient.channels.swapaxes(0, 1).astype(np.float32)
    delivery = replace(delivery_of(channels, recipe, patient.spacing_mm, patient.counts), beams=[])
    low, high = recipe.dose_range
    dose = (patient.dose.ravel()[delivery.points].astype(np.float32) + 1) * ((high - low) / 2) + low
    return Planned(delivery, torch.from_numpy(dose), torch.from_numpy(patient.counts.ravel()[delivery.points]))


def zoomed(patient: Patient, copy: int, bound: float) -> Patient:
    """The patient's copy of that number, larger or smaller, within slices and along him; 0 is the patient himself.

    Nothing else keeps a dose deliverable by the same fields: not turned by other angles, nor bent, as rays are straight.
    """
    if not copy:
        return patient
    rng = np.random.default_rng([copy, *patient.id.encode()])
    across, along = np.exp(rng.uniform(-1, 1, 2) * np.log(bound))
    volume = along_axis(within_slices(tensor_of(patient), 0.0, np.array([across, across])), along).numpy()
    channels = np.ascontiguousarray(volume[:-2].swapaxes(0, 1), dtype=np.float16)
    return replace(patient, channels=channels, dose=volume[-2].astype(np.float16), counts=volume[-1] > 0.5)


def mirror_images(recipe: Recipe) -> tuple[int, ...]:
    """The numbers of the regions in the order of their mirror images: left organs where right ones were."""
    names = [*TARGET_SLOTS, *recipe.structures]
    order = [names.index(other_side(name)) for name in names]
    return (*order, *range(len(order), len(order) + SHELLS))
