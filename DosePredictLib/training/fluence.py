"""Learning fluence: what nine fields deliver is compared with the planned dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..core import TARGET_SLOTS, Recipe
from ..inference.fluencewise import Product, Seen, delivered_volume, members_of, unrolled
from ..models.fluence_net import FluenceNet
from ..models.hardware import fast_bfloat16
from ..preprocessing.delivery import SHELLS, Delivery, delivery_of
from ..preprocessing.fluence import Objective, best_fluence
from ..preprocessing.intensity import unit_to_dose
from .augmentation import Augmentation, other_side
from .dataset import Patient
from .deformation import reshaped
from .settings import TrainingRecipe
from .volumes import VolumeDose, criteria_distance, dvh_distance, tensor_of

COPIES = 9  # of every patient, of other shapes
EARLIER_STAGE = 0.3  # weight of what an earlier stage comes to
FITTING = 100  # iterations: leaves 0.4 Gy of OpenKBP's doses, 0.9 of copies', and the fluence smooth


@dataclass(frozen=True, eq=False)
class Planned:
    """Fields on a patient, and his dose at their points: (points,) each. counts: where it is compared.

    fluence: (beamlets,), fitted to the dose.
    """

    delivery: Delivery
    dose: Tensor
    counts: Tensor
    fluence: Tensor

    @property
    def structures(self) -> list[Tensor]:
        """(points,) bool of every target and organ, where dose is compared."""
        inside = torch.from_numpy(self.delivery.regions[:, :-SHELLS] > 0)
        return [one & self.counts for one in inside.unbind(dim=1)]

    def error(self, dose: Tensor) -> Tensor:
        """Mean |difference| of (points,)."""
        return (dose - self.dose).abs()[self.counts].mean()

    def field_error(self, fluence: Tensor) -> Tensor:
        """Mean, over points, of the sum over fields of |difference| of each field's dose from that of the fitted fluence."""
        fields, rows, columns = self.delivery.shape
        field = torch.from_numpy(self.delivery.places // (rows * columns))
        apart = fluence.new_zeros(len(fluence), fields).scatter(1, field[:, None], (fluence - self.fluence)[:, None])
        return cast(Tensor, Product.apply(apart, self.delivery.matrix)).abs().sum(dim=1)[self.counts].mean()


class FluenceDose(VolumeDose):
    """``VolumeDose`` of a network that answers in fluence. Every stage counts, the last one most.

    A dose is the sum of nine fields, each of which is seen alone somewhere beside the targets: so fluence fitted to it tells what
    every field gave, and to compare that teaches more than to compare the sum.

    Fields on a patient are computed once and kept, some 5 MB each; so are those on his copies.
    """

    def __init__(self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device) -> None:
        super().__init__(plan, patients, device)
        self.kept: dict[tuple[str, int], Planned] = {}

    def _loss_of(self, network: nn.Module, number: int) -> Tensor:
        patient, rng = self._drawn(number)
        copy = int(rng.integers(1, COPIES + 1)) if rng.random() < self.augmentation.copies else 0
        planned = self._planned(patient, copy)
        seen = self._changed_view(planned.delivery, rng)
        losses = [self._member_loss(stages, seen, planned) for stages in members_of(cast(FluenceNet, network))]
        return torch.stack(losses).mean()

    def _member_loss(self, stages: list[nn.Module], seen: Seen, planned: Planned) -> Tensor:
        settings, fluences = self.plan.training, unrolled(stages, seen, half=fast_bfloat16(self.device))
        doses = [seen.dose(fluence).cpu() for fluence in fluences]
        *earlier, error = [planned.error(dose) for dose in doses]
        if settings.fields_weight:
            *before, apart = [planned.field_error(fluence.cpu()) for fluence in fluences]
            error = error + settings.fields_weight * (apart + EARLIER_STAGE * sum(before))
        last = doses[-1], planned.dose, planned.structures
        shape = settings.dvh_weight * dvh_distance(*last)
        if settings.criteria_weight:
            shape = shape + settings.criteria_weight * criteria_distance(*last)
        return error + EARLIER_STAGE * sum(earlier) + shape

    def _planned(self, patient: Patient, copy: int) -> Planned:
        if (patient.id, copy) not in self.kept:
            self.kept[patient.id, copy] = planned_on(copy_of(patient, copy, self.plan.augmentation), self.plan.recipe)
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
        half, spacing = fast_bfloat16(self.device), patient.spacing_mm
        return delivered_volume(cast(FluenceNet, network), condition, self.plan.recipe, spacing, half=half)


def planned_on(patient: Patient, recipe: Recipe) -> Planned:
    """The patient's fields, without what only doses at all voxels need."""
    delivery = delivery_of(patient.channels.swapaxes(0, 1).astype(np.float32), recipe, patient.spacing_mm)
    at_points = patient.dose.ravel()[delivery.points].astype(np.float32)
    dose, counts = unit_to_dose(at_points, 1.0, recipe), patient.counts.ravel()[delivery.points]
    objective = Objective(dose, counts.astype(np.float32), np.ones_like(dose))
    fluence = best_fluence(delivery.matrix, delivery.beams, objective, FITTING)
    return Planned(replace(delivery, beams=[]), *map(torch.from_numpy, (dose, counts, fluence)))


def copy_of(patient: Patient, number: int, settings: Augmentation) -> Patient:
    """The patient's copy of that number, of another shape that the same fields fit; 0 is the patient himself.

    A patient turned by other angles, or bent within his slices, would need other fields, as rays are straight.
    """
    if not number:
        return patient
    rng = np.random.default_rng([number, *patient.id.encode()])
    volume = reshaped(tensor_of(patient), settings.zoom, settings.bend, rng).numpy()
    channels = np.ascontiguousarray(volume[:-2].swapaxes(0, 1), dtype=np.float16)
    return replace(patient, channels=channels, dose=volume[-2].astype(np.float16), counts=volume[-1] > 0.5)


def mirror_images(recipe: Recipe) -> tuple[int, ...]:
    """The numbers of the regions in the order of their mirror images: left organs where right ones were."""
    names = [*TARGET_SLOTS, *recipe.structures]
    order = [names.index(other_side(name)) for name in names]
    return (*order, *range(len(order), len(order) + SHELLS))
