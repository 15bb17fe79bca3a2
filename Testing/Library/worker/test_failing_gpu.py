"""A GPU that fails: less is computed there, or the same on the CPU, and the user is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from DosePredictLib.core import DoseGrid, Grid
from DosePredictLib.inference import predictor as inference
from DosePredictLib.inference.predictor import Prediction
from DosePredictLib.worker.job import sampled

GRID = Grid((4, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
MEMORY, KERNEL = "CUDA out of memory. Tried to allocate 2 GiB", "CUDA error: no kernel image is available\nfor execution"


class Gpu:
    """Computes as many samples as fit into its memory, or fails in another way."""

    def __init__(self, error: str, fit: int = 0) -> None:
        self.error, self.fit = error, fit
        self.tried: list[tuple[str, int]] = []

    def predict(self, predictor: Any, samples: int) -> Prediction:
        self.tried.append((predictor.device, samples))
        if predictor.device != "cpu" and samples > self.fit:
            raise torch.OutOfMemoryError(self.error) if "memory" in self.error else RuntimeError(self.error)
        return Prediction(DoseGrid(np.ones(GRID.shape, np.float32), GRID), None, ())


def job(monkeypatch: pytest.MonkeyPatch, device: str) -> Any:
    monkeypatch.setattr(inference, "device_of", lambda _: torch.device(device))
    monkeypatch.setattr(inference, "passed_over", list)
    load = staticmethod(lambda _, where: SimpleNamespace(device=where, card={}, default_steps=1))
    monkeypatch.setattr(inference.Predictor, "load", load)
    request = SimpleNamespace(model="resdose", device="auto", samples=4, steps=None, seed=0, treatment={})
    warnings: list[str] = []
    return SimpleNamespace(request=request, warn=lambda *texts: warnings.extend(texts), warnings=warnings)


@pytest.mark.parametrize(
    ("gpu", "tried", "said"),
    [
        (Gpu(MEMORY, fit=4), [("cuda", 4)], []),
        (Gpu(MEMORY, fit=1), [("cuda", 4), ("cuda", 1)], ["did not suffice for 4 samples; one was computed"]),
        (
            Gpu(MEMORY),
            [("cuda", 4), ("cuda", 1), ("cpu", 1)],
            ["did not suffice for 4 samples", "memory did not suffice; predicted on the CPU"],
        ),
        (
            Gpu(KERNEL),
            [("cuda", 4), ("cpu", 4)],
            ["The GPU (cuda) failed (CUDA error: no kernel image is available); predicted on the CPU instead."],
        ),
    ],
)
def test_what_it_cannot_do_is_done_otherwise_and_told(monkeypatch, gpu, tried, said):
    asked = job(monkeypatch, "cuda")
    found = sampled(asked, gpu.predict)
    assert gpu.tried == tried
    assert (found.made_with["device"], found.made_with["samples"]) == tried[-1]
    assert len(found.warnings) == len(said) and all(words in text for words, text in zip(said, found.warnings, strict=True))
    assert list(found.warnings) == asked.warnings


def test_a_gpu_that_is_passed_over_is_told(monkeypatch):
    asked = job(monkeypatch, "cpu")
    monkeypatch.setattr(inference, "passed_over", lambda: ["The GPU (cuda) was not used."])
    assert sampled(asked, Gpu(KERNEL).predict).warnings == ("The GPU (cuda) was not used.",) == tuple(asked.warnings)


def test_on_the_cpu_a_fault_is_one(monkeypatch):
    def fails(*_: Any) -> Prediction:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        sampled(job(monkeypatch, "cpu"), fails)
