"""DiffDP from a case to doses: both ways of sampling, and the structure encoder's own dose beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.inference.slicewise import estimated_slices, sample_slices
from DosePredictLib.inference.weights import diffusion_of
from DosePredictLib.models import build
from DosePredictLib.samplers.ddpm import ddpm

RECIPE = Recipe(
    model="diffdp",
    network={"channels": 12, "widths": (8, 8, 8), "noise_width": 8},
    spacing_mm=(8.0, 8.0, 6.0),
    diffusion={"timesteps": 10, "beta": [1e-3, 0.9], "output": "v", "clock": "gamma"},
    steps=2,
)


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    network = build(RECIPE.model, RECIPE.network).eval()
    torch.nn.init.normal_(network.noise.head[0].weight, std=0.2)  # it starts as zero, which would hide every difference
    return Predictor(network, RECIPE, {}, torch.device("cpu"))


@pytest.fixture
def condition() -> torch.Tensor:
    return torch.randn(5, 12, 16, 24, generator=torch.Generator().manual_seed(0))


def test_the_estimate_is_the_encoders_and_knows_no_chance(predictor, phantom_case):
    first, second = (predictor.predict(phantom_case, seed=seed) for seed in (1, 2))
    assert first.estimate is not None and second.estimate is not None
    assert np.array_equal(first.estimate.gray, second.estimate.gray)
    assert not np.array_equal(first.dose.gray, second.dose.gray)
    torch.nn.init.constant_(predictor.network.structures.head[1].weight, 0)
    torch.nn.init.constant_(predictor.network.structures.head[1].bias, 0)  # 0 of [-1, 1] is half of 1.15 prescriptions
    known = predictor.predict(phantom_case).estimate
    np.testing.assert_allclose(known.gray.max(), 0.575 * phantom_case.prescription.highest_gy, rtol=1e-5)


def test_the_same_seed_gives_the_same_dose(predictor, phantom_case):
    first, second = (predictor.predict(phantom_case, steps=10, samples=2, seed=1) for _ in range(2))
    assert np.array_equal(first.dose.gray, second.dose.gray)
    assert not np.array_equal(first.samples[0].gray, first.samples[1].gray)


@pytest.mark.parametrize("steps", [3, 10])
def test_the_number_of_slices_at_a_time_does_not_change_the_dose(predictor, condition, steps):
    sampled = [
        sample_slices(predictor.network, diffusion_of(RECIPE), condition, steps=steps, seed=0, batch=batch, half=False)
        for batch in (1, 2, 5)
    ]
    for one in sampled[1:]:
        torch.testing.assert_close(one, sampled[0], atol=1e-4, rtol=0)
    estimates = [estimated_slices(predictor.network, condition, batch=batch, half=False) for batch in (1, 5)]
    torch.testing.assert_close(estimates[0], estimates[1], atol=1e-4, rtol=0)


@torch.no_grad()
def test_all_steps_are_ancestral_sampling_and_fewer_are_not(predictor, condition):
    """Of one slice, step by step as the paper's Eq. 8 prints it, for a network whose output is the noise."""
    diffusion = diffusion_of(replace(RECIPE, diffusion={**RECIPE.diffusion, "output": "epsilon", "beta": [1e-3, 0.2]}))
    chance, one = torch.Generator().manual_seed(7), condition[:1]
    y = torch.randn(1, 1, 16, 24, generator=chance)
    noise = [torch.randn(1, 1, 16, 24, generator=chance) for _ in range(9)]
    for t in reversed(range(10)):
        gamma, alpha = diffusion.alphas_cumprod[t].float(), 1 - diffusion.betas[t].float()
        epsilon = predictor.network(y, gamma[None], one)
        y = (y - (1 - alpha) / (1 - gamma).sqrt() * epsilon) / alpha.sqrt()
        y = y + (1 - alpha).sqrt() * noise[9 - t] if t else y
    given = [torch.Generator().manual_seed(7)]
    start = torch.randn(1, 1, 16, 24, generator=given[0])

    def clean(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return diffusion.clean(predictor.network(x, diffusion.told(t), one), x, t)

    torch.testing.assert_close(ddpm(clean, start, diffusion, generators=given, clip=None), y, atol=1e-3, rtol=1e-3)
    clipped = ddpm(clean, start, diffusion, generators=[_after_first(7)])
    sampled = sample_slices(predictor.network, diffusion, one, steps=10, seed=7, half=False)
    torch.testing.assert_close(sampled[None], clipped, atol=1e-4, rtol=0)
    assert not torch.allclose(sample_slices(predictor.network, diffusion, one, steps=9, seed=7, half=False)[None], clipped)


def _after_first(seed: int) -> torch.Generator:
    """A source of noise whose first image is drawn."""
    generator = torch.Generator().manual_seed(seed)
    torch.randn(1, 16, 24, generator=generator)
    return generator
