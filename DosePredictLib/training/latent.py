"""Learning ADDiff-Dose in two stages: an autoencoder of doses alone, then diffusion in its latent space (sections 2.1-2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import InputError
from ..inference.latentwise import context_of, places_of, sample_volume
from ..inference.weights import diffusion_of
from ..models.addiff_dose import ADDiffDose, Context
from ..models.hardware import fast_bfloat16, fast_precision
from .constraints import penalty, read_constraints
from .dataset import Patient
from .settings import TrainingRecipe
from .turned import TurnedCopies
from .volumes import VolumeDose, dose_error, tensor_of

MEASURED = 24  # patients whose latents say how large latents are
EMPTY = -1.0  # no dose, in the recipe's unit
GOLDEN_RATIO = (5**0.5 - 1) / 2  # its multiples, modulo 1, leave no gap


class Patchwise(VolumeDose):
    """Whole patients, or patches drawn from them where the recipe says so."""

    def __init__(
        self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device, copies: TurnedCopies | None = None
    ) -> None:
        super().__init__(plan, patients, device, copies)
        self.patch = tuple(plan.recipe.network.get("patch", ()))
        for patient in patients:
            _require_room(patient, self.patch)

    def _changed(self, patient: Patient, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        given, dose, counts = super()._changed(patient, rng)
        if not self.patch:
            return given, dose, counts
        starts = [rng.integers(size - side + 1) for size, side in zip(dose.shape, self.patch, strict=True)]
        k, j, i = (slice(start, start + side) for start, side in zip(starts, self.patch, strict=True))
        return given[:, :, k, j, i].contiguous(memory_format=torch.channels_last_3d), dose[k, j, i], counts[k, j, i]


class AutoencodedDose(Patchwise):
    """The first stage: doses of two patients mixed, shortened and restored, L1; and latents held near a standard Gaussian."""

    def _loss_of(self, network: nn.Module, number: int) -> Tensor:
        patient, rng = self._drawn(number)
        _, dose, counts = self._changed(patient, rng)
        dose, counts = self._mixed(dose, counts, rng)
        vae, generator = cast(ADDiffDose, network).vae, torch.Generator().manual_seed(int(rng.integers(2**62)))
        with fast_precision(self.device):
            mean, log_variance = vae.posterior(dose[None, None])
            chance = torch.randn(mean.shape, generator=generator).to(mean)
            restored = vae.decoder(mean + chance * (log_variance / 2).exp())[0, 0].float()
        error = dose_error(restored, dose, counts, self.plan.training.elsewhere)
        return error + self._kl_weight(number) * kl_divergence(mean, log_variance)

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        """The patient's own dose, (k, j, i), as the autoencoder restores it."""
        vae = cast(ADDiffDose, network).vae
        with fast_precision(self.device):
            return vae.decoder(vae.posterior(tensor_of(patient)[None, -2:-1].to(self.device))[0])[0, 0].float()

    def _mixed(self, dose: Tensor, counts: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """With the dose of another patient about the same centre (mixup, Zhang et al. 2018)."""
        alpha = self.plan.training.mixup
        if not alpha:
            return dose, counts
        share, other = rng.beta(alpha, alpha), self.patients[int(rng.integers(len(self.patients)))]
        _, second, also = self._changed(other, rng)
        second, also = centred(second, dose.shape, EMPTY), centred(also, dose.shape, 0.0)
        return share * dose + (1 - share) * second, torch.maximum(counts, also)

    def _kl_weight(self, number: int) -> float:
        """Rises evenly to its setting during the first half of the stage."""
        settings = self.plan.training
        half = settings.pretraining * settings.patients / 2
        return settings.kl_weight * min(1.0, number / max(half, 1.0))


class LatentDiffusion(Patchwise):
    """The second stage: the error of the network's output for noisy latents, and of the doses they stand for by clinical goals.

    The autoencoder stays as it is. Latents are made of about unit variance by what was measured once, and kept with the weights.
    """

    def __init__(
        self, plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device, copies: TurnedCopies | None = None
    ) -> None:
        super().__init__(plan, patients, device, copies)
        self.diffusion = diffusion_of(plan.recipe)
        self.constraints = read_constraints(plan.constraints, plan.recipe) if plan.constraints.weight else []

    def loss(self, network: nn.Module, step: int) -> Tensor:
        model = cast(ADDiffDose, network)
        model.vae.requires_grad_(False)
        if not model.scale.any():
            self._measure(model)
        return super().loss(network, step)

    def _loss_of(self, network: nn.Module, number: int) -> Tensor:
        model = cast(ADDiffDose, network)
        patient, rng = self._drawn(number)
        given, dose, counts = self._changed(patient, rng)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        with fast_precision(self.device):
            with torch.no_grad():
                z = model.to_latent(dose[None, None])
            t = torch.tensor([spread_evenly(number, self.diffusion.timesteps)], device=z.device)
            noise = torch.randn(z.shape, generator=generator).to(z)
            noisy = self.diffusion.add_noise(z, noise, t)
            output = model(noisy, t, model.encode(given, self._context(model, given[0], patient))).float()
        error = (output - self.diffusion.target(z, noise, t)).square().mean()
        if number < self.plan.constraints.after * self.plan.training.patients:
            return error
        return error + self._constraint_loss(model, self.diffusion.clean(output, noisy, t), t, given[0], dose, counts, patient)

    def _constraint_loss(
        self, model: ADDiffDose, z: Tensor, t: Tensor, given: Tensor, dose: Tensor, counts: Tensor, patient: Patient
    ) -> Tensor:
        """Weighed by abar_t: the less noise, the more the estimate of the dose is worth."""
        settings = self.plan.constraints
        if not self.constraints or int(t) >= settings.below:
            return z.new_zeros(())
        with fast_precision(self.device):
            found = model.to_dose(z)[0, 0]
        gray, planned = (self._gray(unit, patient) for unit in (found, dose))
        missed = penalty(
            gray, planned, given, counts, self.constraints,
            highest_gy=patient.highest_gy, voxel_cc=float(np.prod(self.plan.recipe.spacing_mm)) / 1000, settings=settings,
        )  # fmt: skip
        return settings.weight * float(self.diffusion.alphas_cumprod[int(t)]) * missed

    def _gray(self, unit: Tensor, patient: Patient) -> Tensor:
        low, high = self.plan.recipe.dose_range
        return ((unit + 1) * (high - low) / 2 + low) * patient.highest_gy

    @torch.no_grad()
    def _measure(self, model: ADDiffDose) -> None:
        """Mean and standard deviation of each channel of the latents."""
        with fast_precision(self.device):
            latents = [
                model.vae.posterior(tensor_of(one)[None, -2:-1].to(self.device))[0][0].flatten(1)
                for one in self.patients[:MEASURED]
            ]
        together = torch.cat(latents, dim=1)
        model.center.copy_(together.mean(dim=1))
        model.scale.copy_(together.std(dim=1))

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor:
        """(k, j, i) dose in the recipe's unit, one sample."""
        given = tensor_of(patient)[:-2].to(self.device)
        model = cast(ADDiffDose, network)
        context, half = self._context(model, given, patient), fast_bfloat16(self.device)
        return sample_volume(model, self.diffusion, given, context, steps=self.plan.recipe.steps, seed=0, half=half)

    def _context(self, model: ADDiffDose, given: Tensor, patient: Patient) -> Context:
        return context_of(given, patient.highest_gy, places_of(model, patient.treatment))


def _require_room(patient: Patient, patch: Sequence[int]) -> None:
    if patch and any(side > size for side, size in zip(patch, patient.dose.shape, strict=True)):
        sides, sizes = ("x".join(map(str, shape)) for shape in (patch, patient.dose.shape))
        raise InputError(f"The recipe's patch of {sides} voxels does not fit into {patient.id}, of {sizes}; make it smaller.")


def spread_evenly(number: int, count: int) -> int:
    """One of ``count`` time steps; those of successive numbers are spread more evenly than by chance, as a step sees only one."""
    return int((number + 0.5) * GOLDEN_RATIO % 1 * count)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """From the standard normal distribution, mean over the numbers of the latent."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).mean()


def centred(volume: Tensor, shape: Sequence[int], outside: float) -> Tensor:
    """(k, j, i) cut, or continued by ``outside``, evenly on both sides to ``shape``."""
    extra = [new - old for old, new in zip(volume.shape, shape, strict=True)]
    sides = [side for more in reversed(extra) for side in (more // 2, more - more // 2)]
    return F.pad(volume, sides, value=outside)
