"""resdose with its diffusion: the dose is the answer, draws say how sure it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictLib.core import Case, Recipe
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.models import build

RECIPE = Recipe(
    model="resdose",
    network={"channels": 14, "widths": (8, 8), "refinement": (8,)},
    volumetric=True,
    spacing_mm=(8.0, 8.0, 6.0),
    dose_range=(0.0, 2.0),
    planning={"angles_deg": [0, 120, 240], "plans": [{"iterations": 4}]},
    diffusion={"timesteps": 1000, "beta": [1e-4, 0.02], "output": "v"},
    steps=3,
)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    network = build("resdose", RECIPE.network).eval()
    torch.nn.init.normal_(network.refinement.answer.weight, std=0.5)
    return Predictor(network, RECIPE, {"id": "resdose", "default_steps": 1}, torch.device("cpu"))


def test_asking_how_sure_it_is_does_not_change_the_dose(predictor, phantom_case: Case):
    alone = predictor.predict(phantom_case)
    sure = predictor.predict(phantom_case, samples=3, seed=5)
    assert alone.spread is None and alone.samples == ()
    assert np.array_equal(alone.dose.gray, sure.dose.gray)
    assert sure.spread is not None and float(sure.spread.array.max()) > 0.1 and len(sure.samples) == 3
    np.testing.assert_allclose(sure.spread.array, np.std([one.gray for one in sure.samples], axis=0, ddof=1), atol=1e-4)


def test_more_steps_than_one_ask_for_draws(predictor, phantom_case: Case):
    one = predictor.predict(phantom_case, steps=3, seed=5)
    several = predictor.predict(phantom_case, steps=3, samples=2, seed=5)
    assert one.spread is None and not np.array_equal(one.dose.gray, predictor.predict(phantom_case).dose.gray)
    assert np.array_equal(several.samples[0].gray, one.dose.gray)
    np.testing.assert_allclose(several.dose.gray, np.mean([draw.gray for draw in several.samples], axis=0), atol=1e-4)


def test_the_seed_decides_the_draws(predictor, phantom_case: Case):
    first, again, other = (predictor.predict(phantom_case, samples=2, seed=seed).spread.array for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_progress_counts_the_steps_of_all_draws(predictor, phantom_case: Case):
    seen: list[tuple[int, int]] = []
    predictor.predict(phantom_case, samples=2, on_step=lambda done, count: seen.append((done, count)))
    assert seen[-1] == (6, 6) and [done for done, _ in seen] == sorted(done for done, _ in seen)
