"""The diffusion of residuals learns what an answer leaves open, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError, Recipe
from DosePredictLib.inference.residualwise import drawn_volume
from DosePredictLib.inference.weights import diffusion_of
from DosePredictLib.models.resdose import RESIDUAL, residual_of, with_residual
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe, read_recipe

RECIPE = Recipe(
    model="resdose",
    network={"channels": 16, "widths": (8, 8), "refinement": (16,)},
    volumetric=True,
    dose_range=(0.0, 2.0),
    planning={"angles_deg": [0], "plans": [{}, {}, {}]},
    diffusion={"timesteps": 1000, "beta": [1e-4, 0.02], "output": "v"},
)
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0, turned=0)
SETTINGS = Settings(steps=150, pretraining=0, learning_rate=1e-2, warmup=5, validate_every=1000)


def patient(residual: float) -> Patient:
    """Its dose is the first plan, everywhere off by ``residual`` (a share)."""
    channels = np.random.default_rng(0).normal(size=(8, 16, 16, 16)).astype(np.float16)
    channels[:, 13] = 0.5
    return Patient("p", channels, np.full((8, 16, 16), residual - 0.5, np.float16), np.ones((8, 16, 16), bool))


def test_draws_spread_as_the_plans_of_the_same_anatomy_do(tmp_path):
    """Two equally likely doses, 0.04 above and below the answer: mean 0 and standard deviation 0.04."""
    state = train(TrainingRecipe(RECIPE, SETTINGS, STILL), [patient(0.04), patient(-0.04)], [], tmp_path, resume=False)
    network = state.average.module.eval()
    given = torch.from_numpy(patient(0).channels.astype(np.float32)).swapaxes(0, 1)
    answer = network(given[None]).detach()[0, 0]
    assert torch.equal(answer, torch.full_like(answer, -0.5))  # the answer has not moved
    settings = {"steps": 20, "half": False}
    draws = [drawn_volume(network, diffusion_of(RECIPE), given, answer, seed=seed, **settings) for seed in range(40)]
    middles = torch.stack([(draw - answer).mean() for draw in draws])
    assert abs(float(middles.mean())) < 0.015
    assert float(middles.std()) == pytest.approx(0.04, rel=0.2)


def test_a_residual_becomes_the_dose_that_it_came_from_where_it_is_smooth():
    answer = torch.rand(1, 1, 8, 8, 8)
    dose = answer + 0.03
    torch.testing.assert_close(residual_of(dose, answer), torch.full((1, 1, 4, 4, 4), 0.03 / RESIDUAL))
    torch.testing.assert_close(with_residual(answer, residual_of(dose, answer)), dose)


def test_first_the_answer_then_its_residual(tmp_path):
    plan = TrainingRecipe(RECIPE, replace(SETTINGS, steps=8, pretraining=4), STILL)
    before = train(replace(plan, training=replace(plan.training, steps=5)), [patient(0.2)], [], tmp_path, resume=False)
    answered = before.network.correction.state_dict()["answer.bias"].clone()
    assert answered.any()  # the first four steps moved it
    after = train(plan, [patient(0.2)], [], tmp_path, resume=True).network
    torch.testing.assert_close(after.correction.state_dict()["answer.bias"], answered, rtol=0, atol=0)
    assert after.refinement.answer.bias.any()


def test_without_refinement_there_is_one_stage_only(tmp_path):
    recipe = Path(tmp_path / "r.toml")
    recipe.write_text(
        '[recipe]\nmodel = "resdose"\nvolumetric = true\n[recipe.network]\nchannels = 16\nwidths = [8, 8]\n'
        "[training]\nsteps = 10\npretraining = 5\n"
    )
    with pytest.raises(InputError, match="pretraining"):
        read_recipe(recipe)
    assert read_recipe(recipe, ["recipe.network.refinement = [8]"]).refines
