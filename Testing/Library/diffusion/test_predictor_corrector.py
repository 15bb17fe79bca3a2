"""Predictor-corrector sampling where the score is known: x_0 ~ N(mean, std^2), so that x ~ N(mean, std^2 + sigma^2)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from DosePredictLib.core import Cancelled
from DosePredictLib.diffusion.sde import VarianceExploding
from DosePredictLib.samplers.common import gaussian
from DosePredictLib.samplers.predictor_corrector import corrected, predictor_corrector

MEAN, STD = -0.03, 0.2
PROCESS = VarianceExploding(sigma_min=0.01, sigma_max=20.0, spread=STD)


def score(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return (MEAN - x) / (STD**2 + sigma.reshape(-1, *[1] * (x.ndim - 1)) ** 2)


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + n) for n in range(count)]


def sample(steps: int, corrections: int, *, snr: float = 0.1, images: int = 4, size: int = 10_000, seed: int = 0, **more):
    chance = generators(images, seed)
    start = PROCESS.sigma_max * gaussian((images, 1, size), chance, torch.device("cpu"))
    levels = PROCESS.levels(steps)
    return predictor_corrector(score, start, levels, generators=chance, corrections=corrections, snr=snr, **more)


def expected_spread(steps: int, corrections: int, snr: float) -> float:
    """What Eqs. 8 and 9 make of the variance, worked out without the sampler; |z|^2 = n, |s|^2 = n variance / total^2."""
    levels = [*np.geomspace(20.0, 0.01, steps), 0.0]
    variance = levels[0] ** 2
    for now, later in pairwise(levels):
        step = now**2 - later**2
        variance *= (1 - step / (STD**2 + now**2)) ** 2
        if later == 0:
            break
        variance += step
        for _ in range(corrections):
            total = STD**2 + later**2
            step = 2 * snr**2 * total**2 / variance
            variance = (1 - step / total) ** 2 * variance + 2 * step
    return float(np.sqrt(variance))


@pytest.mark.parametrize(("steps", "corrections"), [(10, 0), (30, 0), (30, 1), (30, 3), (200, 0), (200, 1)])
def test_the_spread_is_what_the_equations_imply(steps, corrections):
    spread = sample(steps, corrections).std().item()
    assert spread == pytest.approx(expected_spread(steps, corrections, 0.1), rel=5 / np.sqrt(2 * 40_000))


@pytest.mark.parametrize("corrections", [0, 1, 2])
def test_many_steps_reach_the_true_mean_and_spread(corrections):
    samples = sample(400, corrections)
    assert samples.mean().item() == pytest.approx(MEAN, abs=5 * STD / np.sqrt(samples.numel()))
    assert samples.std().item() == pytest.approx(STD, rel=0.03)


def test_corrections_bring_a_coarse_sampler_nearer_to_the_true_spread():
    errors = [abs(expected_spread(15, corrections, 0.1) / STD - 1) for corrections in (0, 1, 4, 16)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.2 * errors[0]


def test_a_sample_does_not_depend_on_what_else_is_in_the_batch():
    together = sample(20, 2)
    chance = generators(4)[2:3]
    start = PROCESS.sigma_max * gaussian((1, 1, 10_000), chance, torch.device("cpu"))
    alone = predictor_corrector(score, start, PROCESS.levels(20), generators=chance, corrections=2, snr=0.1)
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=0)


def test_the_step_of_the_corrector_is_that_of_its_own_image():
    """eps = 2 (r |z| / |s|)^2: an image with ten times the score takes a step a hundred times smaller."""
    x, noise = torch.zeros(2, 1, 500), gaussian((2, 1, 500), generators(2), torch.device("cpu"))
    pull = torch.tensor([1.0, 10.0])[:, None, None].expand(2, 1, 500)
    moved = corrected(x, pull, 0.1, noise)
    for image, strength in enumerate((1.0, 10.0)):
        size = 2 * (0.1 * noise[image].norm() / (strength * 500**0.5)) ** 2
        torch.testing.assert_close(moved[image], size * strength + (2 * size).sqrt() * noise[image])


def test_the_same_seeds_give_the_same_samples_and_others_do_not():
    first, second, other = (sample(8, 1, size=50, seed=seed) for seed in (3, 3, 9))
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)


def test_progress_is_reported_and_can_stop_the_sampler():
    seen: list[tuple[int, int]] = []

    def stop_after_two(done: int, count: int) -> None:
        seen.append((done, count))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        sample(8, 1, size=4, on_step=stop_after_two)
    assert seen == [(1, 8), (2, 8)]


@pytest.mark.parametrize("corrections", [0, 1, 2])
def test_a_trajectory_is_that_of_diffusers(corrections):
    diffusers = pytest.importorskip("diffusers", reason="diffusers, an independent implementation, is not installed")
    theirs = diffusers.ScoreSdeVeScheduler(sigma_min=0.01, sigma_max=20.0, snr=0.1)
    theirs.set_timesteps(12)
    theirs.set_sigmas(12)
    (chance,) = generators(1, 5)
    x = 20.0 * torch.randn(1, 1, 40, generator=chance)
    for index, t in enumerate(theirs.timesteps):
        sigma = theirs.discrete_sigmas[11 - index].expand(1)
        if index:
            for _ in range(corrections):
                x = theirs.step_correct(score(x, sigma), x, generator=chance).prev_sample
        step = theirs.step_pred(score(x, sigma), t, x, generator=chance)
        x = step.prev_sample
    ours = sample(12, corrections, images=1, size=40, seed=5)
    torch.testing.assert_close(ours, step.prev_sample_mean, rtol=1e-4, atol=1e-5)


def test_sigma_is_geometric_between_its_ends():
    levels = PROCESS.levels(5).numpy()
    np.testing.assert_allclose(levels, np.geomspace(20.0, 0.01, 5))
    np.testing.assert_allclose(PROCESS.clock(torch.from_numpy(levels)), [1000, 750, 500, 250, 0], atol=1e-3)
    assert PROCESS.levels(1).tolist() == [20.0]


def test_what_the_network_learns_leads_back_to_the_clean_sample_and_has_unit_variance():
    generator = torch.Generator().manual_seed(0)
    for sigma in torch.tensor([[0.01], [0.2], [20.0]], dtype=torch.float64):
        x_0, noise = torch.randn(2, 1, 50_000, dtype=torch.float64, generator=generator)[:, None]
        x_0 = STD * x_0
        x = PROCESS.add_noise(x_0, noise, sigma)
        output = PROCESS.target(x_0, x, sigma)
        torch.testing.assert_close(PROCESS.clean(output, x, sigma), x_0)
        assert output.std().item() == pytest.approx(1, rel=0.02)
        assert PROCESS.scaled(x, sigma).std().item() == pytest.approx(1, rel=0.02)


def test_a_network_that_returns_zero_has_the_score_of_a_gaussian():
    x, sigma = torch.linspace(-1, 1, 9)[None], torch.tensor([0.3])
    clean = PROCESS.clean(torch.zeros_like(x), x, sigma)
    torch.testing.assert_close(PROCESS.score(clean, x, sigma), -x / (STD**2 + 0.3**2))


@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.5), (0.1, 0.1)])
def test_noise_that_does_not_rise_is_refused(ends):
    with pytest.raises(ValueError, match="rise"):
        VarianceExploding(*ends)
