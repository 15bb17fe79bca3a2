"""DMTP's network: what must change its answer, what must not, and that it learns what a measurement differs by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.inference.measured import merged, sample_measured, windows
from DosePredictLib.models import build
from DosePredictLib.models.dmtp import DMTP
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import train
from DosePredictLib.training.measured import WindowSampler, mirrored
from DosePredictLib.training.settings import Settings, TrainingRecipe

RECIPE = Recipe(
    model="dmtp",
    network={"given": ("RTDose",), "widths": (16, 16), "time_width": 16},
    structures=(),
    diffusion={"timesteps": 1500, "sigma": [0.005, 0.6], "spread": 0.03, "corrections": 1, "snr": 0.16},
    steps=25,
)


def small_network(given: tuple[str, ...] = ("RTDose", "CT")) -> DMTP:
    """Every branch that starts as zero, and would hide a difference, is filled."""
    torch.manual_seed(0)
    network = DMTP(given=given, widths=(16, 16), time_width=16, stem=2)
    for block in network.modules():
        if isinstance(block, torch.nn.Conv2d) and not block.weight.any():
            torch.nn.init.normal_(block.weight, std=0.1)
    return network.eval()


def inputs(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, condition = (torch.randn(batch, channels, 8, 12, generator=generator) for channels in (3, 6))
    return x, torch.linspace(100, 900, batch), condition


def volume(slices: int = 6) -> torch.Tensor:
    """A planned dose in [-1, 1] with a steep edge whose place moves from slice to slice."""
    columns = torch.arange(16.0)
    return torch.stack([torch.sigmoid(columns - 6 - n / 2).expand(16, 16) * 1.6 - 0.9 for n in range(slices)])


@torch.no_grad()
@pytest.mark.parametrize("which", ["noisy dose", "time", "planned dose", "CT", "slice above"])
def test_every_input_changes_the_output(which):
    network, (x, t, condition) = small_network(), inputs()
    before = network(x, t, condition)
    plus = torch.zeros(6)[:, None, None]
    changed = {
        "noisy dose": (x + 1, t, condition),
        "time": (x, t + 50, condition),
        "planned dose": (x, t, condition + plus.index_fill(0, torch.tensor([0, 2, 4]), 1.0)),
        "CT": (x, t, condition + plus.index_fill(0, torch.tensor([1, 3, 5]), 1.0)),
        "slice above": (x + torch.tensor([0.0, 0.0, 1.0])[:, None, None], t, condition),
    }[which]
    assert not torch.allclose(network(*changed), before, atol=1e-4)


@torch.no_grad()
def test_a_window_does_not_depend_on_its_batch():
    network, (x, t, condition) = small_network(), inputs()
    alone = torch.cat([network(x[n : n + 1], t[n : n + 1], condition[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(network(x, t, condition), alone, rtol=1e-4, atol=1e-5)


def test_windows_hold_the_neighbours_and_merge_to_the_volume_they_came_from():
    slices = torch.randn(5, 4, 4)
    seen = windows(slices, 3)
    torch.testing.assert_close(seen[2], slices[1:4])
    torch.testing.assert_close(seen[0], slices[[0, 0, 1]])
    torch.testing.assert_close(merged(seen), slices)


def test_an_untrained_network_draws_around_the_planned_dose():
    """Its score is that of N(planned, spread^2); three windows see each slice, so that their mean has spread / sqrt 3."""
    given = volume(12)[:, None]
    network = DMTP(**RECIPE.network)
    found = sample_measured(network, RECIPE, given, steps=60, seed=0, half=False) - given[:, 0]
    inner = found[1:-1]
    assert inner.mean().item() == pytest.approx(0, abs=0.002)
    assert inner.std().item() == pytest.approx(0.03 / 3**0.5, rel=0.1)


def test_the_same_seed_gives_the_same_dose_and_slices_do_not_depend_on_far_ones():
    network, given = small_network(("RTDose",)), volume(12)[:, None]
    first, again, other = (sample_measured(network, RECIPE, given, steps=3, seed=seed, half=False) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.allclose(first, other)
    part = sample_measured(network, RECIPE, given[:8], steps=3, seed=1, half=False)
    torch.testing.assert_close(part[:6], first[:6], rtol=1e-4, atol=1e-4)


def test_algorithm_1_as_printed_starts_from_noise_around_nothing():
    recipe = Recipe(model="dmtp", diffusion={**RECIPE.diffusion, "centre": "zero", "spread": 0.5})
    given = volume()[:, None]
    found = sample_measured(DMTP(**RECIPE.network), recipe, given, steps=60, seed=0, half=False)
    assert found.mean().item() == pytest.approx(0, abs=0.05)  # the untrained network does not know the planned dose
    assert (found - given[:, 0]).abs().mean() > 0.3


def patients(count: int = 2) -> list[Patient]:
    """Measured: 4 % of the range lower where dose is high, which a network can know from the planned dose."""
    planned = [volume(6 + n).roll(n, 2) for n in range(count)]
    measured = [p - 0.08 * (p > 0) for p in planned]
    return [
        Patient(f"p{n}", p[:, None].numpy().astype(np.float16), m.numpy().astype(np.float16), np.ones(p.shape, bool))
        for n, (p, m) in enumerate(zip(planned, measured, strict=True))
    ]


def test_training_beats_the_planned_dose_as_a_prediction(tmp_path):
    plan = TrainingRecipe(
        RECIPE,
        Settings(seed=1, steps=140, batch=6, learning_rate=3e-3, warmup=10, ema=0.98, validate_every=10_000),
        Augmentation(),
    )
    state = train(plan, patients(), [], tmp_path, resume=False)
    (_, patient) = patients()
    given = torch.from_numpy(patient.channels.astype(np.float32))
    found = sample_measured(state.average.module.eval(), RECIPE, given, steps=25, seed=0, half=False)
    error = np.abs(found.numpy() - patient.dose).mean()
    identity = np.abs(patient.channels[:, 0].astype(float) - patient.dose).mean()
    assert error < 0.6 * identity  # about 0.5, by the rounding of the processor


def test_a_window_is_drawn_whole_and_mirrored_whole():
    (patient, _) = patients()
    sampler = WindowSampler([patient], batch=16, seed=0, slices=3)
    batch = sampler.draw(sampler.generator(0))
    assert batch.shape == (16, 3, 2, 16, 16)
    whole = torch.from_numpy(np.stack([patient.channels[:, 0], patient.dose], axis=1).astype(np.float32))
    numbers = [int((whole - window[1]).abs().sum((1, 2, 3)).argmin()) for window in batch]
    torch.testing.assert_close(batch, windows(whole, 3)[numbers])
    torch.testing.assert_close(mirrored(batch, 1.0, np.random.default_rng(0)), batch.flip(-1))


def test_an_even_number_of_slices_is_refused():
    with pytest.raises(ValueError, match="odd"):
        build("dmtp", {"given": ("RTDose",), "slices": 2})
