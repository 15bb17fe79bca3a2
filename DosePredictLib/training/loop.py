"""The training loop: one seeded batch after another, with checkpoints and a log."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..core import InputError, ModelError
from ..inference.weights import load, on_device, start_from
from ..models import build
from . import distributed
from .checkpoints import State
from .coarse import CoarseDose
from .dataset import CACHE, Patient, recipe_key
from .fluence import FluenceDose
from .latent import AutoencodedDose, LatentDiffusion
from .measured import MeasuredDose
from .residual import ResidualDiffusion
from .settings import Settings, TrainingRecipe
from .slices import SliceDiffusion
from .structure_first import GuidedDiffusion, StructureDose
from .turned import TurnedCopies
from .volumes import VolumeDose


class Task(Protocol):
    """What a network learns: the loss of a step, whose cases depend on the seed and the step alone, and what it predicts.

    The loss is that of this process's share of the step.
    """

    def loss(self, network: nn.Module, step: int) -> Tensor: ...

    def cases(self, step: int) -> list[str]: ...

    def predicted(self, network: nn.Module, patient: Patient) -> Tensor: ...


def train(
    plan: TrainingRecipe,
    patients: Sequence[Patient],
    validation: Sequence[Patient],
    out: Path,
    *,
    resume: bool,
    start: Path | None = None,
    teachers: Sequence[Path] = (),
) -> State:
    """Train to ``plan.training.steps``; the leading process writes ``checkpoint.pt`` and ``metrics.jsonl`` into ``out``.

    start: weights to begin with; what they lack begins by chance. teachers: weights of the networks that teach, beside the doses.
    Raises ModelError for those that do not fit, InputError for teachers of a network that has none.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(plan.training.seed)
    network = build(plan.recipe.model, plan.recipe.network)
    if start:
        start_from(start, network)
    network = on_device(network, device)
    settings = plan.training
    state = State.start(network, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, ema=settings.ema)
    checkpoint = out / "checkpoint.pt"
    if resume and checkpoint.exists():
        state.load(checkpoint, device)
    for last, task in stages(plan, patients, device, out / CACHE, taught_by(teachers, plan, device)):
        trainer = Trainer(plan, state, task)
        while state.step < last:
            report = trainer.step()
            if not distributed.leads():
                continue
            if state.step % settings.validate_every == 0 and validation:
                report["validation_mae"] = trainer.validate(validation)
            if state.step % 20 == 0:
                append(out / "metrics.jsonl", report)
            if state.step % settings.checkpoint_every == 0 or state.step == settings.steps:
                state.save(checkpoint)
    return state


def taught_by(teachers: Sequence[Path], plan: TrainingRecipe, device: torch.device) -> list[nn.Module]:
    """The networks that teach."""
    if teachers and not plan.can_be_taught:
        raise InputError(
            f"Only networks that answer at once, in dose and at full resolution, can be taught; not {plan.recipe.model}."
        )
    loaded = [load(path, device) for path in teachers]
    for path, (_, recipe) in zip(teachers, loaded, strict=True):
        if recipe_key(recipe) != recipe_key(plan.recipe):
            raise ModelError(f"{path.parent.name} cannot teach {plan.recipe.model}: it sees other channels, or another grid.")
    return [network for network, _ in loaded]


def stages(
    plan: TrainingRecipe, patients: Sequence[Patient], device: torch.device, cache: Path, teachers: Sequence[nn.Module] = ()
) -> list[tuple[int, Task]]:
    """What is learned, each until which step. cache: for copies of patients."""
    settings = plan.training
    if plan.measures:
        return [(settings.steps, MeasuredDose(plan, patients, device))]
    if plan.recipe.model == "addiff_dose":
        copies = turned_copies(plan, cache)
        shorten, denoise = (task(plan, patients, device, copies) for task in (AutoencodedDose, LatentDiffusion))
        return [(settings.pretraining, shorten), (settings.steps, denoise)]
    if plan.learns_fluence:
        return [(settings.steps, FluenceDose(plan, patients, device))]
    if plan.learns_halved:
        return [(settings.steps, CoarseDose(plan, patients, device, turned_copies(plan, cache, halved=True)))]
    if plan.answers_at_once:
        copies = turned_copies(plan, cache)
        answer = VolumeDose(plan, patients, device, copies, teachers)
        if plan.refines:
            return [(settings.pretraining, answer), (settings.steps, ResidualDiffusion(plan, patients, device, copies))]
        return [(settings.steps, answer)]
    if plan.learns_structures_first:
        first, second = StructureDose(plan, patients, device), GuidedDiffusion(plan, patients, device)
        return [(settings.pretraining, first), (settings.steps, second)]
    return [(settings.steps, SliceDiffusion(plan, patients, device))]


def turned_copies(plan: TrainingRecipe, cache: Path, *, halved: bool = False) -> TurnedCopies | None:
    """halved: of patients at half the resolution."""
    degrees, share = tuple(plan.augmentation.turns_deg), plan.augmentation.copies
    kind, multiple = ("-half", plan.recipe.pad_multiple // 2) if halved else ("", plan.recipe.pad_multiple)
    return TurnedCopies(cache / (recipe_key(plan.recipe) + kind), degrees, multiple, share) if degrees else None


class Trainer:
    """One optimiser step at a time."""

    def __init__(self, plan: TrainingRecipe, state: State, task: Task) -> None:
        self.plan, self.state, self.task = plan, state, task
        self.recent: list[float] = []

    def step(self) -> dict[str, Any]:
        """Raises ModelError where loss or gradient is not finite; the weights, and the last checkpoint, are then still good."""
        started = time.monotonic()
        loss = self.task.loss(self.state.network, self.state.step)
        mean = distributed.mean(loss)
        self._require_finite("loss", mean)
        self._descend(loss)
        self.state.step += 1
        self.state.seconds += time.monotonic() - started
        self.recent = [*self.recent[-199:], float(mean)]
        return {"step": self.state.step, "loss": float(np.mean(self.recent)), "seconds": round(self.state.seconds, 1)}

    def _descend(self, loss: Tensor) -> None:
        settings, optimizer, network = self.plan.training, self.state.optimizer, self.state.network
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(self.state.step, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(network)
        size = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
        self._require_finite("gradient", size)
        optimizer.step()
        self.state.average.update_parameters(network)

    def _require_finite(self, what: str, value: Tensor) -> None:
        if torch.isfinite(value):
            return
        cases = ", ".join(self.task.cases(self.state.step))
        raise ModelError(
            f"The {what} of step {self.state.step} is not finite; its cases are {cases}."
            " Look at them, or resume from the last checkpoint with a smaller learning rate."
        )

    def validate(self, patients: Sequence[Patient]) -> float:
        """Mean |dose error| where dose may be, with the averaged weights, as a share of the prescription."""
        low, high = self.plan.recipe.dose_range
        network = self.state.average.module.eval()
        errors = []
        for patient in patients:
            with torch.inference_mode():
                dose = self.task.predicted(network, patient).cpu().numpy()
            errors.append(float(np.abs(dose - patient.dose)[patient.counts].mean()) * (high - low) / 2)
        network.train()
        return float(np.mean(errors))


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up, then half a cosine to nothing; in each stage anew."""
    first, last = (0, settings.pretraining) if step < settings.pretraining else (settings.pretraining, settings.steps)
    step, steps = step - first, last - first
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = min(1.0, (step - settings.warmup) / max(1, steps - settings.warmup))
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def append(path: Path, report: dict[str, Any]) -> None:
    with open(path, "a", encoding="utf-8") as log:
        log.write(json.dumps(report) + "\n")
