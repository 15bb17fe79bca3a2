"""Weights and a case to a predicted dose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import registry
from ..core import Case, DoseGrid, Grid, ModelError, OutputError, Recipe, Volume
from ..models.addiff_dose import ADDiffDose
from ..models.diffdp import DiffDP
from ..models.hardware import fast_bfloat16, problem_with
from ..models.resdose import ResDose
from ..preprocessing.channels import Conditions, conditions, network_grid
from ..preprocessing.dose_channels import PLANNED_DOSE
from ..preprocessing.intensity import unit_to_dose
from ..samplers.common import OnStep
from . import weights
from .companions import Companion, companions_of, joined
from .latentwise import context_of, places_of, sample_volume
from .residualwise import drawn_volume
from .slicewise import estimated_slices, sample_slices
from .usual_targets import UsualTargets
from .volumewise import predicted_volume

NOTHING: Mapping[str, str] = MappingProxyType({})
Sampler = Callable[..., torch.Tensor]


@dataclass(frozen=True, eq=False)
class Prediction:
    """dose: on the network's grid; the mean of the samples, or what a network that answers at once says by itself.
    spread: standard deviation of the samples in Gy.

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
    companions: tuple[Companion, ...] = ()
    usual_targets: UsualTargets | None = None

    @classmethod
    def load(cls, model_id: str, device: str = "auto") -> Predictor:
        """Raises ModelError for an unknown model, a device that is not there, and weights that are not those of their card."""
        model = registry.find(model_id)
        registry.verify(model)
        return cls.of(model, device_of(device))

    @classmethod
    def of(cls, model: registry.ModelInfo, device: torch.device) -> Predictor:
        """Of a model that need not be installed."""
        network, recipe = weights.load(model.weights, device)
        return cls(network, recipe, model.card, device, companions_of(model, recipe, device), UsualTargets.of(model.card))

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
        treatment: Mapping[str, str] = NOTHING,
        grid: Grid | None = None,
        trust_air: bool = False,
        on_step: OnStep | None = None,
    ) -> Prediction:
        """The same request gives the same dose on the same device.

        treatment: its "technique" and "site", for a model that was trained for several. grid, trust_air: for OpenKBP, see
        ``conditions``. Raises ModelError for a treatment that the model was not trained for.
        """
        if PLANNED_DOSE in self.recipe.channels:
            raise ModelError(
                f"The model {self.recipe.model} predicts what is measured of a planned dose, no planned dose; take another model."
            )
        places = places_of(self.network, treatment)
        given = conditions(case, self.recipe, grid or network_grid(case, self.recipe), trust_air=trust_air)
        count, each = self._draws(steps, samples)
        answer = self._answer(given, None if count else on_step) if self.answers_at_once else None
        sample = self._sampler(given, case, places, answer)
        drawn = [
            self._gray(sample(steps=each, seed=one, on_step=part_of(on_step, number, count)), given, case)
            for number, one in enumerate(seeds_of(seed, count))
        ]
        gray = self._gray(answer, given, case) if answer is not None and self._answers(steps) else mean_of(drawn)
        dose, estimate = DoseGrid(gray, given.grid), self._estimate(given, case)
        warnings = (*missing_warnings(given), *self._settings_without_effect(steps, samples, treatment))
        if count < 2:
            return Prediction(dose, None, warnings, estimate=estimate)
        spread = Volume(np.std(drawn, axis=0, ddof=1), given.grid)
        return Prediction(dose, spread, warnings, tuple(DoseGrid(one, given.grid) for one in drawn), estimate)

    @property
    def answers_at_once(self) -> bool:
        """Whether one evaluation gives the dose itself, not one draw of it."""
        return self.recipe.answers_at_once

    @property
    def knows_chance(self) -> bool:
        """Whether it can draw doses that differ by the seed."""
        return not self.answers_at_once or (isinstance(self.network, ResDose) and self.network.refinement is not None)

    def _answers(self, steps: int | None) -> bool:
        """Whether the dose is what the network says at once; else it is the mean of draws."""
        return self.answers_at_once and (not self.knows_chance or (steps or self.default_steps) == 1)

    def _draws(self, steps: int | None, samples: int) -> tuple[int, int]:
        """(how many, steps of each); those around an answer only say how sure it is, so that one alone is not needed."""
        if not self._answers(steps):
            return samples, steps or self.default_steps
        return samples if self.knows_chance and samples > 1 else 0, self.recipe.steps

    def _answer(self, given: Conditions, on_step: OnStep | None) -> torch.Tensor:
        """(k, j, i) in the recipe's unit, over the network's box."""
        channels, half = self._channels(given), fast_bfloat16(self.device)
        spacing = given.grid.spacing
        answer = predicted_volume(self.network, channels, self.recipe, spacing, half=half, on_step=on_step)
        answer = joined(answer, channels, self.companions, spacing, half=half)
        return self.usual_targets.joined(answer, channels.cpu(), self.recipe) if self.usual_targets else answer

    def _sampler(self, given: Conditions, case: Case, places: tuple[int, int], answer: torch.Tensor | None) -> Sampler:
        """What draws a dose over the network's box."""
        channels, half, diffusion = self._channels(given), fast_bfloat16(self.device), weights.diffusion_of(self.recipe)
        if isinstance(self.network, ResDose) and answer is not None:
            return partial(drawn_volume, self.network, diffusion, channels, answer, half=half)
        if isinstance(self.network, ADDiffDose):
            context = context_of(channels, case.prescription.highest_gy, places)
            return partial(sample_volume, self.network, diffusion, channels, context, half=half)
        return partial(sample_slices, self.network, diffusion, channels.transpose(0, 1).contiguous(), half=half)

    def _settings_without_effect(self, steps: int | None, samples: int, treatment: Mapping[str, str]) -> Iterator[str]:
        if not (self.knows_chance or (samples == 1 and steps in (None, 1))):
            yield f"The model {self.card['id']} answers in one step and without chance; steps and samples have no effect on it."
        if treatment and not isinstance(self.network, ADDiffDose):
            yield f"The model {self.card['id']} asks for no technique or site; they have no effect on it."

    def _estimate(self, given: Conditions, case: Case) -> DoseGrid | None:
        if not (isinstance(self.network, DiffDP) and self.network.guided):
            return None
        condition = self._channels(given).transpose(0, 1).contiguous()
        unit = estimated_slices(self.network, condition, half=fast_bfloat16(self.device))
        return DoseGrid(self._gray(unit, given, case), given.grid)

    def _channels(self, given: Conditions) -> torch.Tensor:
        return torch.from_numpy(given.channels).to(self.device)

    def _gray(self, unit: torch.Tensor, given: Conditions, case: Case) -> np.ndarray:
        sample = unit.numpy()
        if not np.isfinite(sample).all():
            raise OutputError("The network returned values that are not numbers; nothing was written. Try --device cpu.")
        gray = np.zeros(given.grid.shape, np.float32)
        given.box.put(unit_to_dose(sample, case.prescription.highest_gy, self.recipe), gray)
        return gray


def device_of(name: str) -> torch.device:
    """ "auto" is a GPU where there is one that computes as the CPU does.

    Raises ModelError for a device that this computer does not have, or whose results are wrong.
    """
    if name == "auto":
        return next(device for device in devices() if not problem_with(device))
    if name not in [device.type for device in devices()]:
        raise ModelError(f"This computer has no usable device {name!r}; use --device auto or cpu.")
    if problem := problem_with(torch.device(name)):
        raise ModelError(f"The device {name!r} {problem}; use --device auto or cpu, or another version of PyTorch.")
    return torch.device(name)


def devices() -> list[torch.device]:
    """Of this computer, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [torch.device(kind) for kind, available in there.items() if available]


def passed_over() -> list[str]:
    """What is said of the GPUs that "auto" does not take."""
    problems = ((device, problem_with(device)) for device in devices())
    return [f"The GPU ({device.type}) was not used: it {problem}." for device, problem in problems if problem]


def seeds_of(seed: int, samples: int) -> list[int]:
    """One independent seed a sample; the first ones stay the same when more samples are asked for."""
    return [int(child.generate_state(1, np.uint64)[0] >> 1) for child in np.random.SeedSequence(seed).spawn(samples)]


def missing_warnings(given: Conditions) -> tuple[str, ...]:
    if not given.missing:
        return ()
    return (f"Predicted without {', '.join(given.missing)}: the model does not know where they are and cannot spare them.",)


def mean_of(doses: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(doses, axis=0, dtype=np.float64), np.float32)


def part_of(on_step: OnStep | None, number: int, parts: int) -> OnStep | None:
    """Progress of one of several equal parts as progress of the whole."""
    return None if on_step is None else lambda done, count: on_step(number * count + done, parts * count)
