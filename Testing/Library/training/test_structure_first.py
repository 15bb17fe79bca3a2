"""DiffDP's two stages: each learns its own part, and a run goes on in whichever it was interrupted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError, Recipe
from DosePredictLib.inference.slicewise import estimated_slices
from DosePredictLib.inference.weights import diffusion_of
from DosePredictLib.models import build
from DosePredictLib.training import loop
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import learning_rate, train
from DosePredictLib.training.settings import Settings, TrainingRecipe, read_recipe
from DosePredictLib.training.slices import SliceDiffusion
from DosePredictLib.training.structure_first import GuidedDiffusion, StructureDose

RECIPE = Recipe(
    model="diffdp",
    network={"channels": 12, "widths": (8, 8, 8), "noise_width": 8},
    diffusion={"timesteps": 100, "beta": [1e-4, 0.2], "output": "v", "clock": "gamma"},
    steps=2,
)
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0)
SETTINGS = Settings(
    seed=3, steps=8, pretraining=4, batch=4, learning_rate=1e-3, warmup=1, norm="L1", estimate_weight=0.5, checkpoint_every=2
)
PLAN = TrainingRecipe(RECIPE, SETTINGS, STILL)
CPU = torch.device("cpu")


def patient() -> Patient:
    rng = np.random.default_rng(0)
    channels, dose = rng.normal(size=(5, 12, 8, 8)), rng.uniform(-0.8, 1, (5, 8, 8))
    return Patient("p", channels.astype(np.float16), dose.astype(np.float16), np.ones((5, 8, 8), bool))


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in network.parameters()])


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return train(PLAN, [patient()], [], tmp_path_factory.mktemp("straight"), resume=False)


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_a_run_goes_on_in_the_stage_in_which_it_was_interrupted(straight, stop, tmp_path, monkeypatch):
    original, seen = loop.Trainer.step, []

    def step(trainer):
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(None)
        return original(trainer)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.Trainer, "step", step)
        train(PLAN, [patient()], [], tmp_path, resume=False)
    resumed = train(PLAN, [patient()], [], tmp_path, resume=True)
    assert resumed.step == 8
    torch.testing.assert_close(weights(resumed.average.module), weights(straight.average.module), rtol=0, atol=0)


def test_the_first_stage_trains_the_encoder_alone_and_the_second_everything(straight, tmp_path):
    torch.manual_seed(PLAN.training.seed)
    start = build(RECIPE.model, RECIPE.network)
    never = replace(PLAN, training=replace(SETTINGS, pretraining=4, steps=4))
    first = train(never, [patient()], [], tmp_path, resume=False).network
    assert torch.equal(weights(first.noise), weights(start.noise))
    assert not torch.equal(weights(first.structures), weights(start.structures))
    assert not torch.equal(weights(straight.network.noise), weights(first.noise))
    assert not torch.equal(weights(straight.network.structures), weights(first.structures))


def test_without_structure_encoder_there_is_one_stage_and_it_learns_the_noise(tmp_path):
    alone = replace(RECIPE, network={**RECIPE.network, "guided": False})
    plan = replace(PLAN, recipe=alone, training=replace(SETTINGS, pretraining=0))
    [(last, task)] = loop.stages(plan, [patient()], CPU, tmp_path)
    assert last == 8 and type(task) is SliceDiffusion
    state = train(plan, [patient()], [patient()], tmp_path, resume=False)
    assert not torch.equal(weights(state.network), weights(build(alone.model, alone.network)))


def test_the_losses_are_absolute_errors_of_dose_and_of_noise():
    """Of a network that answers zero everywhere they are known: mean |dose|, and mean |v|."""
    network = build(RECIPE.model, RECIPE.network)
    for part in (network.structures.head[1], network.noise.head[0]):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    first, second = StructureDose(PLAN, [patient()], CPU), GuidedDiffusion(PLAN, [patient()], CPU)
    _, dose, generator = first.batch(5)
    dose_error = dose.abs().mean()
    torch.testing.assert_close(first.loss(network, 5), dose_error)
    noise, t = second.noise(dose, generator)
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.2, 100), dim=0)[t].reshape(-1, 1, 1, 1)
    v = abar.sqrt() * noise - (1 - abar).sqrt() * dose
    torch.testing.assert_close(second.loss(network, 5), v.abs().mean() + 0.5 * dose_error)


def test_validation_of_the_first_stage_is_that_of_the_encoders_own_dose():
    torch.manual_seed(0)
    network, one = build(RECIPE.model, RECIPE.network), patient()
    found = StructureDose(PLAN, [one], CPU).predicted(network, one)
    torch.testing.assert_close(found, estimated_slices(network, torch.from_numpy(one.channels).float()))
    assert not torch.allclose(found, GuidedDiffusion(PLAN, [one], CPU).predicted(network, one))


def test_the_network_is_told_the_noise_intensity():
    diffusion = diffusion_of(RECIPE)
    told = diffusion.told(torch.tensor([0, 50, 99]))
    torch.testing.assert_close(told, torch.cumprod(1 - torch.linspace(1e-4, 0.2, 100), dim=0)[[0, 50, 99]])


def test_the_learning_rate_starts_anew_in_the_second_stage():
    settings = Settings(steps=300, pretraining=100, warmup=10, learning_rate=1.0)
    assert learning_rate(99, settings) < 0.001
    assert learning_rate(100, settings) == pytest.approx(0.1)
    assert learning_rate(205, settings) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = 'dosediff'\nnetwork.distance_maps = 11\n[training]\npretraining = 3", "only diffdp"),
        ("model = 'diffdp'\nnetwork = {channels = 12, guided = false}\n[training]\npretraining = 3", "its structure encoder"),
        ("model = 'diffdp'\nnetwork.channels = 12\n[training]\npretraining = 9\nsteps = 9", "leave some"),
        ("model = 'diffdp'\nnetwork.channels = 12\n[training]\nnorm = 'l1'", "not one of L1, L2"),
    ],
)
def test_stages_that_cannot_be_are_refused(tmp_path, text, words):
    path = tmp_path / "recipe.toml"
    path.write_text(f"[recipe]\n{text}")
    with pytest.raises(InputError, match=words):
        read_recipe(path)
