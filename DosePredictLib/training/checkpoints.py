"""Checkpoints from which a run goes on exactly: weights, their average, the optimiser and the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..core import ModelError


@dataclass(eq=False)
class State:
    """Everything that changes during training; batches and noise follow from the step (see SliceSampler)."""

    network: nn.Module
    average: AveragedModel
    optimizer: Optimizer
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def start(cls, network: nn.Module, *, learning_rate: float, weight_decay: float, ema: float) -> State:
        average = AveragedModel(network, multi_avg_fn=moving_average(ema))
        optimizer = torch.optim.AdamW(_groups(network, weight_decay), lr=learning_rate, fused=True)
        return cls(network, average, optimizer)

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimizer")}
        temporary = path.with_name(path.name + ".part")
        torch.save({**parts, "step": self.step, "seconds": self.seconds}, temporary)
        temporary.replace(path)

    def load(self, path: Path, device: torch.device) -> None:
        """Raises ModelError for a checkpoint of another architecture."""
        stored = torch.load(path, map_location=device, weights_only=True)
        try:
            for name in ("network", "average", "optimizer"):
                getattr(self, name).load_state_dict(stored[name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(f"{path.name} does not fit this recipe: it was made with another architecture.") from error
        self.step, self.seconds = stored["step"], stored["seconds"]


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Biases, and scales of normalisations, do not decay."""
    weights, others = ([p for p in network.parameters() if (p.ndim > 1) == many] for many in (True, False))
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def moving_average(decay: float) -> Callable[..., None]:
    """Exponential moving average that forgets its first steps: of decay (1 + n) / (10 + n) while that is less."""

    def update(average: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        n = float(count)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(average, current, count)

    return update
