"""Training: the same run however often it is interrupted, and clear words when it cannot go on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError, ModelError, Recipe
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.checkpoints import State
from DosePredictLib.training.dataset import Patient, recipe_key
from DosePredictLib.training.loop import Trainer, learning_rate, train
from DosePredictLib.training.settings import Settings, TrainingRecipe, read_recipe
from DosePredictLib.training.slices import EMPTY_SLICE_CHANCE, SliceDiffusion, SliceSampler

RECIPE = Recipe(model="dosediff", network={"distance_maps": 11, "widths": (16, 16), "time_width": 16}, steps=2)
PLAN = TrainingRecipe(
    RECIPE, Settings(seed=3, steps=8, batch=4, learning_rate=1e-3, warmup=2, checkpoint_every=4, validate_every=8), Augmentation()
)


def patients(count: int = 3, rows: int = 16) -> list[Patient]:
    rng = np.random.default_rng(0)
    return [
        Patient(
            f"p{n}",
            rng.normal(size=(5 + n, 12, rows, 16)).astype(np.float16),
            rng.random((5 + n, rows, 16)).astype(np.float16),
            np.ones((5 + n, rows, 16), bool),
        )
        for n in range(count)
    ]


def weights(state) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.average.module.parameters()])


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    straight = train(PLAN, patients(), [], whole, resume=False)
    interrupted = Interruption(4)
    with pytest.raises(KeyboardInterrupt):
        interrupted.train(parts)
    resumed = train(PLAN, patients(), [], parts, resume=True)
    assert resumed.step == 8
    torch.testing.assert_close(weights(resumed), weights(straight), rtol=0, atol=0)


class Interruption:
    """Stops a run after a number of steps, as Ctrl-C would."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def train(self, out) -> None:
        from DosePredictLib.training import loop

        original, seen = loop.Trainer.step, []

        def step(trainer):
            if len(seen) == self.steps:
                raise KeyboardInterrupt
            seen.append(None)
            return original(trainer)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop.Trainer, "step", step)
            train(PLAN, patients(), [], out, resume=False)


def test_training_lowers_the_loss_and_logs_it(tmp_path):
    plan = replace(PLAN, training=replace(PLAN.training, steps=40, validate_every=40), augmentation=Augmentation(0, 0, 1, 0, 0))
    train(plan, patients(1), patients(1), tmp_path, resume=False)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40]
    assert lines[-1]["loss"] < 0.95 * lines[0]["loss"]
    assert 0 < lines[-1]["validation_mae"] < 1


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_case(tmp_path):
    broken = patients(1)
    broken[0].dose[:] = np.nan
    with pytest.raises(ModelError, match="loss of step 0 is not finite; its cases are p0"):
        train(PLAN, broken, [], tmp_path, resume=False)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_spoils_the_weights(tmp_path):
    good = train(replace(PLAN, training=replace(PLAN.training, steps=1)), patients(1), [], tmp_path, resume=False)
    before = weights(good)

    class Steep(SliceDiffusion):
        def loss(self, network, step):
            return sum(p.sum() * 0 for p in network.parameters()).sqrt()  # 0, with an infinite slope

    trainer = Trainer(PLAN, good, Steep(PLAN, patients(1), torch.device("cpu")))
    with pytest.raises(ModelError, match="gradient of step 1 is not finite; its cases are p0"):
        trainer.step()
    assert torch.equal(weights(good), before) and torch.isfinite(before).all()


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path):
    train(PLAN, patients(), [], tmp_path, resume=False)
    other = replace(PLAN, recipe=replace(RECIPE, network={**RECIPE.network, "widths": (16, 32)}))
    with pytest.raises(ModelError, match="another architecture"):
        train(other, patients(), [], tmp_path, resume=True)


def test_slices_with_dose_are_drawn_equally_often_empty_ones_seldom_and_sizes_are_not_mixed():
    some = patients(2) + patients(2, rows=32)
    for n, patient in enumerate(some):
        patient.dose[:] = n / 10
        patient.dose[0] = -1
    sampler = SliceSampler(some, batch=6, seed=0)
    drawn = torch.cat([sampler.draw(sampler.generator(step))[:, -1, 0, 0] for step in range(600)])
    counts = [int(torch.isclose(drawn, torch.tensor(value), atol=1e-3).sum()) for value in (0.0, 0.1, 0.2, 0.3, -1.0)]
    expected = np.array([4, 5, 4, 5, 4 * EMPTY_SLICE_CHANCE])
    np.testing.assert_allclose(np.array(counts) / len(drawn), expected / expected.sum(), atol=0.02)


def test_the_learning_rate_rises_then_falls_to_nothing():
    settings = Settings(steps=100, warmup=10, learning_rate=1.0)
    assert learning_rate(0, settings) == pytest.approx(0.1)
    assert learning_rate(10, settings) == pytest.approx(1.0)
    assert learning_rate(55, settings) == pytest.approx(0.5)
    assert learning_rate(100, settings) == pytest.approx(0.0, abs=1e-12)


def test_the_cache_follows_what_the_network_sees_and_not_how_it_is_built():
    assert recipe_key(replace(RECIPE, margin_mm=10.0)) != recipe_key(RECIPE)
    assert recipe_key(replace(RECIPE, network={}, steps=50)) == recipe_key(RECIPE)
    assert recipe_key(replace(RECIPE, voxel_distances=True)) != recipe_key(RECIPE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[recipe]\nmodel = 'dosediff'\nspeed = 3", "speed"),
        ("[recipe]\nmodel = 'dosediff'\nnetwork.distance_maps = 11\n[training]\nepochs = 3", "epochs"),
        ("[recipe]\nmodel = 'dosediff'\n[recipe.network]\nlayers = 3", "layers"),
        ("[training]\nsteps = 3", "needs the table"),
        ("[recipe", "cannot be read"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises((InputError, ModelError), match=words):
        read_recipe(path)


def test_a_recipe_can_be_changed_line_by_line(repository):
    path = repository / "Resources" / "Recipes" / "dosediff.toml"
    changes = ("recipe.network.masks=true", "training.steps=15", 'card.id="dosediff-masks"', "augmentation.flip = 0.0")
    plan, shipped = read_recipe(path, changes), read_recipe(path)
    assert plan.recipe == replace(shipped.recipe, network={**shipped.recipe.network, "masks": True})
    assert plan.training == replace(shipped.training, steps=15)
    assert plan.augmentation == replace(shipped.augmentation, flip=0.0)
    assert plan.card == {**shipped.card, "id": "dosediff-masks"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.epochs=3", "no setting .'epochs'"),
        ("recipe.network.maps=3", "'maps'"),
        ("recipe.speed=3", "speed"),
        ("train.steps=3", "'train'"),
        ("recipe.diffusion.center='zero'", "'center'"),
        ("training.steps='many'", "another kind of value for steps"),
        ("recipe.steps=true", "another kind of value for steps"),
        ("training=3", "a table"),
        ("training.steps", "as a line of TOML"),
        ("training.norm=L1", "as a line of TOML"),
        ("card.companions='unet'", "companions must look like this"),
        ("card.companion={ id = 'unet', share = 0.25 }", "companions must look like this"),  # an older recipe's
        ("card.companions=[{ id = 'unet', share = true }]", "companions must look like this"),
        ("card.companions=[{ id = 'unet' }]", "companions must look like this"),
        ("card.companions=[{ id = 'unet', share = 0.6 }, { id = 'c3d', share = 0.6 }]", "companions must look like this"),
        ("card.usual_targets=0.5", "for a network that answers at once"),
        ("card.usual_targets='half'", "usual_targets is a share"),
    ],
)
def test_a_change_with_a_mistake_is_refused_by_name(repository, change, words):
    with pytest.raises((InputError, ModelError), match=words):
        read_recipe(repository / "Resources" / "Recipes" / "dosediff.toml", [change])


def test_the_shipped_recipes_can_be_read_and_fit_their_networks(repository):
    from DosePredictLib.models import build

    for path in sorted((repository / "Resources" / "Recipes").glob("*.toml")):
        plan = read_recipe(path)
        network = plan.recipe.network
        if plan.learns_fluence:  # it sees maps of fields; what they need is in test_fluence.py
            assert network["plans"] == len(plan.recipe.planned) - 1
            continue
        wanted = len(network["given"]) if "given" in network else network.get("channels", network.get("distance_maps", 0) + 1)
        assert wanted == len(plan.recipe.channels)
        build(plan.recipe.model, plan.recipe.network)


def test_weights_decay_and_biases_do_not():
    layer = torch.nn.Linear(3, 2)
    before = {name: value.detach().clone() for name, value in layer.named_parameters()}
    state = State.start(layer, learning_rate=0.1, weight_decay=0.5, ema=0.9)
    for value in layer.parameters():
        value.grad = torch.zeros_like(value)
    state.optimizer.step()
    torch.testing.assert_close(layer.weight, before["weight"] * 0.95)
    torch.testing.assert_close(layer.bias, before["bias"])
