"""Samplers on a distribution whose answer is known: x_0 ~ N(mean, std^2), for which E[x_0 | x_t] is linear in x_t."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictLib.core import Cancelled
from DosePredictLib.diffusion.gaussian import OUTPUTS, GaussianDiffusion, linear_betas
from DosePredictLib.samplers.common import gaussian, strided_timesteps
from DosePredictLib.samplers.ddim import ddim
from DosePredictLib.samplers.ddpm import ddpm

MEAN, STD = -0.3, 0.2
DIFFUSION = GaussianDiffusion(linear_betas())


def posterior_mean(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """E[x_0 | x_t] = mean + std^2 sqrt(abar) (x_t - sqrt(abar) mean) / (abar std^2 + 1 - abar)."""
    abar = DIFFUSION.alphas_cumprod[t].reshape(-1, *[1] * (x.ndim - 1))
    return (MEAN + STD**2 * abar.sqrt() * (x - abar.sqrt() * MEAN) / (abar * STD**2 + 1 - abar)).to(x)


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + n) for n in range(count)]


def noise(samples: int = 4, size: int = 20_000, seed: int = 0) -> torch.Tensor:
    return gaussian((samples, 1, size), generators(samples, seed), torch.device("cpu")).double()


def ddim_spread(steps: int) -> float:
    """Standard deviation DDIM must return in ``steps``: the product of its linear maps, worked out without the sampler."""
    abar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    times = [round(1000 * n / steps) - 1 for n in range(steps, 0, -1)]
    gain = 1.0
    for now, later in zip(times, [*times[1:], None], strict=True):
        k = np.sqrt(abar[now]) * STD**2 / (abar[now] * STD**2 + 1 - abar[now])
        if later is None:
            return gain * k
        gain *= np.sqrt(abar[later]) * k + np.sqrt(1 - abar[later]) * (1 - np.sqrt(abar[now]) * k) / np.sqrt(1 - abar[now])
    raise AssertionError


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16, 50, 250])
def test_ddim_has_the_right_mean_and_the_spread_its_number_of_steps_implies(steps):
    samples = ddim(posterior_mean, noise(), DIFFUSION, steps=steps)
    assert samples.mean().item() == pytest.approx(MEAN, abs=5 * STD / np.sqrt(samples.numel()) + 1e-4)
    assert samples.std().item() == pytest.approx(ddim_spread(steps), rel=0.02, abs=1e-6)


def ancestral_spread() -> float:
    """Standard deviation of DDPM with variance beta_t: var <- gain^2 var + beta, worked out without the sampler."""
    beta = np.linspace(1e-4, 0.02, 1000)
    abar = np.cumprod(1 - beta)
    variance = 1.0
    for t in range(999, -1, -1):
        before = abar[t - 1] if t else 1.0
        k = np.sqrt(abar[t]) * STD**2 / (abar[t] * STD**2 + 1 - abar[t])
        gain = (np.sqrt(before) * beta[t] * k + np.sqrt(1 - beta[t]) * (1 - before)) / (1 - abar[t])
        variance = gain**2 * variance + (beta[t] if t else 0.0)
    return float(np.sqrt(variance))


def test_the_spread_of_ddim_grows_with_its_steps_to_the_true_one():
    spreads = [ddim_spread(steps) for steps in (1, 2, 4, 8, 16, 50, 1000)]
    assert spreads == sorted(spreads)
    assert ddim(posterior_mean, noise(size=5000), DIFFUSION, steps=1000).std().item() == pytest.approx(STD, rel=0.02)


def test_stochastic_ddim_of_all_steps_has_the_true_mean_and_spread():
    samples = ddim(posterior_mean, noise(size=4000), DIFFUSION, steps=1000, eta=1.0, generators=generators(4, 100))
    assert samples.mean().item() == pytest.approx(MEAN, abs=0.008)
    assert samples.std().item() == pytest.approx(STD, rel=0.03)


def test_ddpm_has_the_true_mean_and_spread():
    samples = ddpm(posterior_mean, noise(size=4000), DIFFUSION, generators=generators(4, 100))
    assert samples.mean().item() == pytest.approx(MEAN, abs=0.008)
    assert samples.std().item() == pytest.approx(ancestral_spread(), rel=0.02)
    assert ancestral_spread() == pytest.approx(STD, rel=0.02)


def test_a_sample_does_not_depend_on_what_else_is_in_the_batch():
    together = ddim(posterior_mean, noise(), DIFFUSION, steps=20, eta=1.0, generators=generators(4, 7))
    alone = ddim(posterior_mean, noise()[2:3], DIFFUSION, steps=20, eta=1.0, generators=generators(4, 7)[2:3])
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=0)


def test_the_same_seeds_give_the_same_samples_and_others_do_not():
    first, second, other = (
        ddpm(posterior_mean, noise(2, 50, seed), DIFFUSION, generators=generators(2, seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 1000])
def test_steps_start_at_the_last_time_and_fall_evenly(steps):
    times = strided_timesteps(1000, steps)
    assert times[0] == 999 and len(times) == steps and len(set(times)) == steps
    assert np.ptp(np.diff([*times, -1])) <= 1


@pytest.mark.parametrize("steps", [0, 1001])
def test_an_impossible_number_of_steps_is_refused(steps):
    with pytest.raises(ValueError, match="steps"):
        strided_timesteps(1000, steps)


def test_progress_is_reported_and_can_stop_the_sampler():
    seen: list[tuple[int, int]] = []

    def stop_after_two(done: int, count: int) -> None:
        seen.append((done, count))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        ddim(posterior_mean, noise(1, 4), DIFFUSION, steps=8, on_step=stop_after_two)
    assert seen == [(1, 8), (2, 8)]


def test_cumulative_alphas_are_the_product_of_one_minus_beta_and_end_near_nothing():
    np.testing.assert_allclose(DIFFUSION.alphas_cumprod, np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)), rtol=1e-12)
    assert DIFFUSION.alphas_cumprod[-1] == pytest.approx(4.04e-5, rel=0.01)  # DDPM, Ho et al. 2020


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_the_network_learns_leads_back_to_the_clean_dose_and_the_noise(output):
    diffusion = GaussianDiffusion(linear_betas(), output)
    x_0, epsilon = torch.randn(6, 1, 5, dtype=torch.float64), torch.randn(6, 1, 5, dtype=torch.float64)
    t = torch.tensor([0, 10, 200, 500, 900, 999])
    x_t = diffusion.add_noise(x_0, epsilon, t)
    torch.testing.assert_close(diffusion.clean(diffusion.target(x_0, epsilon, t), x_t, t), x_0)
    torch.testing.assert_close(diffusion.noise_of(x_0, x_t, t), epsilon)


def test_an_unknown_kind_of_output_is_refused():
    with pytest.raises(ValueError, match="output"):
        GaussianDiffusion(linear_betas(), "score")
