"""Learning whole patients: a three-dimensional network that predicts the dose at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from ..core import TARGET_SLOTS, Recipe
from ..inference.usual_targets import UsualTargets, usual_targets
from ..models.hardware import fast_precision
from ..preprocessing.intensity import ct_to_unit
from . import distributed
from .augmentation import EMPTY, Augmentation, mirrored
from .dataset import Patient
from .deformation import deformed, shortened
from .settings import TrainingRecipe
from .turned import TurnedCopies

HOTTEST = 2  # voxels hotter than D0.1cc; OpenKBP's voxels are of 40 mm3 or so
EARLIER = 0.5  # weight of an answer that a later part of the network refines (C3D)


class VolumeDose:
    """Absolute dose error, plus the distance between the dose distributions of each structure (its DVH).

    teachers: networks of the same channels; what is learned lies between the planned dose and the mean of their answers
    (distillation of an ensemble, Hinton et al. 2015).
    """

    def __init__(
        self,
        plan: TrainingRecipe,
        patients: Sequence[Patient],
        device: torch.device,
        copies: TurnedCopies | None = None,
        teachers: Sequence[nn.Module] = (),
    ) -> None:
        self.plan, self.patients, self.device, self.copies, self.teachers = plan, patients, device, copies, teachers
        self.augmentation = plan.augmentation
        channels = plan.recipe.channels
        self.structures = [number for number, name in enumerate(channels) if name.startswith("SDM:")]

    @cached_property
    def usual(self) -> UsualTargets | None:
        """What the doses to learn are drawn to; made when first needed, as not every task that builds on this one does."""
        share = self.plan.training.usual_targets
        return usual_among(self.patients, self.plan.recipe, share) if share else None

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Mean over this process's share of the step's patients, augmented."""
        self.augmentation = self.plan.augmentation.at(step)
        numbers = range(step * self.plan.training.patients, (step + 1) * self.plan.training.patients)
        return torch.stack([self._loss_of(network, number) for number in distributed.share(numbers)]).mean()

    def cases(self, step: int) -> list[str]:
        """Names of the patients of a step."""
        count = self.plan.training.patients
        return [self._drawn(number)[0].id for number in range(step * count, (step + 1) * count)]

    def _drawn(self, number: int) -> tuple[Patient, np.random.Generator]:
        """The patient drawn as ``number`` of the run; every patient comes once before any comes again."""
        epoch, turn = divmod(number, len(self.patients))
        order = np.random.default_rng([self.plan.training.seed, epoch]).permutation(len(self.patients))
        return self.patients[order[turn]], np.random.default_rng([self.plan.training.seed, epoch, turn])

    def _loss_of(self, network: nn.Module, number: int) -> Tensor:
        given, planned, counts = self._changed(*self._drawn(number))
        dose = self._taught(given, planned)
        if self.usual:
            dose = self.usual.joined(dose, given[0], self.plan.recipe)
        with fast_precision(self.device):
            answers = self.answers(network, given)
        predicted, *earlier = answers[0].float()
        inside = [(given[0, number] > 0) & (counts > 0.5) for number in self.structures]
        shape = self.plan.training.dvh_weight * dvh_distance(predicted, dose, inside)
        if self.plan.training.criteria_weight:
            shape = shape + self.plan.training.criteria_weight * criteria_distance(predicted, dose, inside)
        elsewhere = self.plan.training.elsewhere
        first = sum(EARLIER * dose_error(one, dose, counts, elsewhere) for one in earlier)
        return dose_error(predicted, dose, counts, elsewhere) + shape + first

    def answers(self, network: nn.Module, given: Tensor) -> Tensor:
        """(1, answers, k, j, i): the dose, and what an earlier part of the network answered."""
        return network(given)

    def _taught(self, given: Tensor, planned: Tensor) -> Tensor:
        """(k, j, i): the planned dose, and for the recipe's share what the teachers answer."""
        if not self.teachers:
            return planned
        with torch.no_grad(), fast_precision(self.device):
            answers = torch.stack([teacher(given)[0, 0].float() for teacher in self.teachers])
        return planned.lerp(answers.mean(dim=0), self.plan.training.teachers_share)

    def _changed(self, patient: Patient, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Channels (1, channels, k, j, i), dose and where it counts (k, j, i), augmented."""
        if self.copies and self.augmentation.turns_deg:
            patient = self.copies.drawn(patient, rng)
        volume = augmented(tensor_of(patient), self.plan.recipe, self.augmentation, rng).to(self.device)
        return volume[None, :-2].contiguous(memory_format=torch.channels_last_3d), volume[-2], volume[-1]

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        """(k, j, i) dose in the recipe's unit."""
        given = tensor_of(patient)[None, :-2].to(self.device)
        with fast_precision(self.device):
            return network(given.contiguous(memory_format=torch.channels_last_3d))[0, 0].float()


def dose_error(predicted: Tensor, dose: Tensor, counts: Tensor, elsewhere: float) -> Tensor:
    """Mean |difference|, all (k, j, i). elsewhere: weight of a voxel where no dose was computed, beside 1 where dose may be."""
    weight = counts + elsewhere * (1 - counts)
    return (weight * (predicted - dose).abs()).sum() / weight.sum()


def dvh_distance(predicted: Tensor, dose: Tensor, inside: Sequence[Tensor]) -> Tensor:
    """Mean over structures of the area between their cumulative DVHs (dose axis): mean |sorted - sorted|."""
    areas = [(predicted[mask].sort().values - dose[mask].sort().values).abs().mean() for mask in inside if mask.any()]
    return torch.stack(areas).mean() if areas else predicted.new_zeros(())


def criteria_distance(predicted: Tensor, dose: Tensor, inside: Sequence[Tensor]) -> Tensor:
    """Mean |difference| of the criteria of OpenKBP's DVH score: D99%, D95%, D1% of targets, Dmean and D0.1cc of organs.

    inside: the targets first, one a slot.
    """
    errors: list[Tensor] = []
    for number, mask in enumerate(inside):
        if mask.any():
            ours, theirs = (criteria(of[mask], target=number < len(TARGET_SLOTS)) for of in (predicted, dose))
            errors += (ours - theirs).abs().unbind()
    return torch.stack(errors).mean() if errors else predicted.new_zeros(())


def criteria(values: Tensor, *, target: bool) -> Tensor:
    """(criteria,) of the doses (n,) in a structure."""
    ordered, last = values.sort().values, len(values) - 1
    if target:
        return ordered[[round(last * share) for share in (0.01, 0.05, 0.99)]]
    return torch.stack([values.mean(), ordered[max(0, last - HOTTEST)]])


def usual_among(patients: Sequence[Patient], recipe: Recipe, share: float) -> UsualTargets:
    """What targets of these patients usually get."""
    volumes = (tensor_of(patient) for patient in patients)
    return usual_targets(((volume[:-2], volume[-2]) for volume in volumes), recipe, share)


def tensor_of(patient: Patient) -> Tensor:
    """(channels + dose + counts, k, j, i) float32."""
    parts = [patient.channels.swapaxes(0, 1), patient.dose[None], patient.counts[None]]
    return torch.from_numpy(np.concatenate([part.astype(np.float32) for part in parts]))


def augmented(volume: Tensor, recipe: Recipe, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """Mirrored, deformed together with the fields, its CT numbers shifted, organs lost."""
    if rng.random() < settings.flip:
        volume = mirrored(volume, recipe.channels)
    if settings.upside_down and rng.random() < settings.upside_down:
        volume = volume.flip(1)
    if rng.random() < settings.turned:
        volume = deformed(volume, settings, rng)
    if settings.short_ct and rng.random() < settings.short_ct:
        shortened(volume, recipe, rng)
    low, high = recipe.ct_range_hu
    if settings.blank_ct and rng.random() < settings.blank_ct:
        volume[0] = torch.where(volume[0] > EMPTY, float(ct_to_unit(np.zeros(1), recipe)[0]), volume[0])
    volume[0] = torch.where(volume[0] > EMPTY, volume[0] + rng.uniform(-1, 1) * settings.shift_hu * 2 / (high - low), volume[0])
    first = 2 + 3
    for organ in range(len(recipe.structures)):
        if rng.random() < settings.drop:
            volume[first + organ] = recipe.missing_distance_mm / recipe.distance_unit_mm
    return volume
