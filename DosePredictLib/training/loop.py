"""The training loop of the diffusion models: one seeded batch after another, with checkpoints and a log."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core import ModelError
from ..diffusion.gaussian import GaussianDiffusion
from ..inference.slicewise import sample_slices
from ..inference.weights import diffusion_of, on_device
from ..models import build
from .augmentation import augment
from .checkpoints import State
from .dataset import Patient
from .sampling import SliceSampler
from .settings import Settings, TrainingRecipe

Log = Callable[[dict[str, Any]], None]


def train(plan: TrainingRecipe, patients: Sequence[Patient], validation: Sequence[Patient], out: Path, *, resume: bool) -> State:
    """Train to ``plan.training.steps``; writes ``checkpoint.pt`` and ``metrics.jsonl`` into ``out``."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(plan.training.seed)
    network = on_device(build(plan.recipe.model, plan.recipe.network), device)
    settings = plan.training
    state = State.start(network, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, ema=settings.ema)
    checkpoint = out / "checkpoint.pt"
    if resume and checkpoint.exists():
        state.load(checkpoint, device)
    trainer = Trainer(plan, state, SliceSampler(patients, settings.batch, settings.seed), device)
    while state.step < settings.steps:
        report = trainer.step()
        if state.step % settings.validate_every == 0 and validation:
            report["validation_mae"] = trainer.validate(validation)
        if state.step % 20 == 0:
            append(out / "metrics.jsonl", report)
        if state.step % settings.checkpoint_every == 0 or state.step == settings.steps:
            state.save(checkpoint)
    return state


class Trainer:
    """One optimiser step at a time."""

    def __init__(self, plan: TrainingRecipe, state: State, sampler: SliceSampler, device: torch.device) -> None:
        self.plan, self.state, self.sampler, self.device = plan, state, sampler, device
        self.diffusion: GaussianDiffusion = diffusion_of(plan.recipe)
        self.recent: list[float] = []

    def step(self) -> dict[str, Any]:
        """Raises ModelError where the loss is not finite; the last checkpoint is then the last good one."""
        started = time.monotonic()
        rng = self.sampler.generator(self.state.step)
        batch = augment(self.sampler.draw(rng).to(self.device), self.plan.recipe, self.plan.augmentation, rng)
        loss = self.loss(batch, rng)
        if not torch.isfinite(loss):
            raise ModelError(f"The loss of step {self.state.step} is not finite; resume with a smaller learning rate.")
        self._descend(loss)
        self.state.step += 1
        self.state.seconds += time.monotonic() - started
        self.recent = [*self.recent[-199:], float(loss.detach())]
        return {"step": self.state.step, "loss": float(np.mean(self.recent)), "seconds": round(self.state.seconds, 1)}

    def loss(self, batch: Tensor, rng: np.random.Generator) -> Tensor:
        """Mean squared error of the network's output for noisy doses (DoseDiff, Eq. 6)."""
        given, dose = batch[:, :-1].contiguous(memory_format=torch.channels_last), batch[:, -1:]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(dose.shape, generator=generator).to(dose)
        t = torch.randint(self.diffusion.timesteps, (len(dose),), generator=generator).to(dose.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            output = self.state.network(self.diffusion.add_noise(dose, noise, t), t, given)
        return (output.float() - self.diffusion.target(dose, noise, t)).square().mean()

    def _descend(self, loss: Tensor) -> None:
        settings, optimizer, network = self.plan.training, self.state.optimizer, self.state.network
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(self.state.step, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
        optimizer.step()
        self.state.average.update_parameters(network)

    def validate(self, patients: Sequence[Patient]) -> float:
        """Mean |dose error| over the boxes of ``patients`` with the averaged weights, as a share of the prescription."""
        low, high = self.plan.recipe.dose_range
        network = self.state.average.module.eval()
        errors = []
        for patient in patients:
            given = torch.from_numpy(patient.channels.astype(np.float32)).to(self.device)
            dose = sample_slices(network, self.diffusion, given, steps=self.plan.recipe.steps, seed=0)
            errors.append(float((dose - torch.from_numpy(patient.dose.astype(np.float32))).abs().mean()) * (high - low) / 2)
        return float(np.mean(errors))


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up, then half a cosine to nothing."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = min(1.0, (step - settings.warmup) / max(1, settings.steps - settings.warmup))
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def append(path: Path, report: dict[str, Any]) -> None:
    with open(path, "a", encoding="utf-8") as log:
        log.write(json.dumps(report) + "\n")
