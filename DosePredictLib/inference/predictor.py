"""Weights and a case to a predicted dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import registry
from ..core import Case, DoseGrid, Grid, ModelError, OutputError, Recipe, Volume
from ..models.diffdp import DiffDP
from ..preprocessing.channels import Conditions, conditions, network_grid
from ..preprocessing.dose_channels import PLANNED_DOSE
from ..preprocessing.intensity import unit_to_dose
from ..samplers.common import OnStep
from . import weights
from .slicewise import estimated_slices, sample_slices
from .volumewise import predicted_volume


@dataclass(frozen=True, eq=False)
class Prediction:
    """dose: the mean of the samples, on the network's grid. spread: their standard deviation in Gy.

    spread is None, and samples empty, where there is only one or the model knows no chance. estimate: what DiffDP's structure
    encoder predicts without diffusion; None for other models.
    """

    dose: DoseGrid
    spread: Volume | None
    warnings: tuple[str, ...]
    samples: tuple[DoseGrid, ...] = ()
    estimate: DoseGrid | None = None


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network with everything needed to use it."""

    network: nn.Module
    recipe: Recipe
    card: dict[str, Any]
    device: torch.device

    @classmethod
    def load(cls, model_id: str, device: str = "auto") -> Predictor:
        """Raises ModelError for an unknown model, a device that is not there, and weights that are not those of their card."""
        model = registry.find(model_id)
        registry.verify(model)
        place = device_of(device)
        network, recipe = weights.load(model.weights, place)
        return cls(network, recipe, model.card, place)

    @property
    def default_steps(self) -> int:
        """The number chosen on validation patients, where the card names one; else the recipe's."""
        return int(self.card.get("default_steps", self.recipe.steps))

    def predict(
        self,
        case: Case,
        *,
        steps: int | None = None,
        samples: int = 1,
        seed: int = 0,
        grid: Grid | None = None,
        trust_air: bool = False,
        on_step: OnStep | None = None,
    ) -> Prediction:
        """The same request gives the same dose on the same device. grid, trust_air: for OpenKBP, see ``conditions``."""
        if PLANNED_DOSE in self.recipe.channels:
            raise ModelError(
                f"The model {self.recipe.model} predicts what is measured of a planned dose, no planned dose; take another model."
            )
        given = conditions(case, self.recipe, grid or network_grid(case, self.recipe), trust_air=trust_air)
        sampled = self._samples(given, steps or self.default_steps, seeds_of(seed, samples), on_step)
        gray = [self._gray(sample, given, case) for sample in sampled]
        mean = np.asarray(np.mean(gray, axis=0, dtype=np.float64), np.float32)
        warnings = (*missing_warnings(given), *self._settings_without_effect(steps, samples))
        dose, estimate = DoseGrid(mean, given.grid), self._estimate(given, case)
        if samples == 1 or self.recipe.volumetric:
            return Prediction(dose, None, warnings, estimate=estimate)
        spread = Volume(np.std(gray, axis=0, ddof=1), given.grid)
        return Prediction(dose, spread, warnings, tuple(DoseGrid(one, given.grid) for one in gray), estimate)

    def _samples(self, given: Conditions, steps: int, seeds: list[int], on_step: OnStep | None) -> list[np.ndarray]:
        """One array (k, j, i) in the recipe's unit over the network's box for each seed; one where there is no chance."""
        channels, half = self._channels(given), fast_bfloat16(self.device)
        if self.recipe.volumetric:
            return [predicted_volume(self.network, channels, half=half, on_step=on_step).numpy()]
        condition, diffusion = channels.transpose(0, 1).contiguous(), weights.diffusion_of(self.recipe)
        return [
            sample_slices(
                self.network, diffusion, condition, steps=steps, seed=one, half=half, on_step=part_of(on_step, number, len(seeds))
            ).numpy()
            for number, one in enumerate(seeds)
        ]

    def _settings_without_effect(self, steps: int | None, samples: int) -> list[str]:
        if not self.recipe.volumetric or (samples == 1 and steps in (None, 1)):
            return []
        return [f"The model {self.card['id']} answers in one step and without chance; steps and samples have no effect on it."]

    def _estimate(self, given: Conditions, case: Case) -> DoseGrid | None:
        if not (isinstance(self.network, DiffDP) and self.network.guided):
            return None
        condition = self._channels(given).transpose(0, 1).contiguous()
        unit = estimated_slices(self.network, condition, half=fast_bfloat16(self.device))
        return DoseGrid(self._gray(unit.numpy(), given, case), given.grid)

    def _channels(self, given: Conditions) -> torch.Tensor:
        return torch.from_numpy(given.box.take(given.channels)).to(self.device)

    def _gray(self, sample: np.ndarray, given: Conditions, case: Case) -> np.ndarray:
        if not np.isfinite(sample).all():
            raise OutputError("The network returned values that are not numbers; nothing was written. Try --device cpu.")
        gray = np.zeros(given.grid.shape, np.float32)
        given.box.put(unit_to_dose(sample, case.prescription.highest_gy, self.recipe), gray)
        return gray


def device_of(name: str) -> torch.device:
    """ "auto" is the fastest there is. Raises ModelError for a device this computer does not have."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, available in there.items() if available))
    if not there.get(name, False):
        raise ModelError(f"This computer has no usable device {name!r}; use --device auto or cpu.")
    return torch.device(name)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16; where it does not, emulation would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # absent in older PyTorch
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in probes)


def seeds_of(seed: int, samples: int) -> list[int]:
    """One independent seed a sample; the first ones stay the same when more samples are asked for."""
    return [int(child.generate_state(1, np.uint64)[0] >> 1) for child in np.random.SeedSequence(seed).spawn(samples)]


def missing_warnings(given: Conditions) -> tuple[str, ...]:
    if not given.missing:
        return ()
    return (f"Predicted without {', '.join(given.missing)}: the model does not know where they are and cannot spare them.",)


def part_of(on_step: OnStep | None, number: int, parts: int) -> OnStep | None:
    """Progress of one of several equal parts as progress of the whole."""
    return None if on_step is None else lambda done, count: on_step(number * count + done, parts * count)
