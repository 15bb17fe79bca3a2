"""Weights to begin with, and networks to learn from: both come whole, or are refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError, ModelError, Recipe
from DosePredictLib.inference import weights
from DosePredictLib.models import build
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.card import descent
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import taught_by, train
from DosePredictLib.training.settings import Settings, TrainingRecipe
from DosePredictLib.training.volumes import VolumeDose

RECIPE = Recipe(model="unet", network={"channels": 12, "widths": (8, 8)}, volumetric=True, dose_range=(0.0, 2.0))
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0, turned=0)
PLAN = TrainingRecipe(RECIPE, Settings(steps=0, warmup=1, validate_every=1000), STILL)
DOSE = 0.2


def patient() -> Patient:
    channels = np.random.default_rng(0).normal(size=(16, 12, 16, 16)).astype(np.float16)
    return Patient("p", channels, np.full((16, 16, 16), DOSE, np.float16), np.ones((16, 16, 16), bool))


def saved(folder: Path, recipe: Recipe = RECIPE, *, answer: float = 0.0) -> Path:
    """Weights of a network that answers ``answer`` everywhere."""
    network = build(recipe.model, recipe.network)
    if recipe.model == "unet":
        torch.nn.init.constant_(network.share.answer.bias, answer + 1)
    folder.mkdir()
    weights.save(network, recipe, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def test_training_begins_with_the_weights_it_is_given(tmp_path):
    start = saved(tmp_path / "old", answer=0.5)
    state = train(PLAN, [patient()], [], tmp_path, resume=False, start=start)
    given = torch.from_numpy(patient().channels.astype(np.float32)).swapaxes(0, 1)[None]
    torch.testing.assert_close(state.average.module(given), torch.full((1, 1, 16, 16, 16), 0.5), atol=1e-3, rtol=0)


def test_a_network_with_more_parts_begins_with_those_that_are_there(tmp_path):
    plain = Recipe(model="resdose", network={"channels": 16, "widths": (8, 8)}, volumetric=True)
    start = saved(tmp_path / "old", plain)
    more = build("resdose", {**plain.network, "refinement": (8,)})
    weights.start_from(start, more)
    old, _ = weights.load(start, torch.device("cpu"))
    torch.testing.assert_close(more.correction.stem.weight, old.correction.stem.weight)


@pytest.mark.parametrize("network", [{"channels": 12, "widths": (8, 16)}, {"channels": 16, "widths": (8, 8)}])
def test_weights_of_another_shape_are_no_start(tmp_path, network):
    start = saved(tmp_path / "old", replace(RECIPE, network=network))
    with pytest.raises(ModelError, match="old cannot be the start"):
        weights.start_from(start, build("unet", RECIPE.network))


def test_weights_of_more_parts_are_no_start(tmp_path):
    refined = Recipe(model="resdose", network={"channels": 16, "widths": (8, 8), "refinement": (8,)}, volumetric=True)
    with pytest.raises(ModelError, match="has no refinement"):
        weights.start_from(saved(tmp_path / "old", refined), build("resdose", {"channels": 16, "widths": (8, 8)}))


@pytest.mark.parametrize(("share", "target"), [(0.0, DOSE), (1.0, 0.6), (0.5, 0.4)])
def test_what_is_learned_lies_between_the_plan_and_the_mean_of_the_teachers(tmp_path, share, target):
    paths = [saved(tmp_path / name, answer=answer) for name, answer in (("a", 0.4), ("b", 0.8))]
    plan = replace(PLAN, training=replace(PLAN.training, teachers_share=share))
    cpu = torch.device("cpu")
    task = VolumeDose(plan, [patient()], cpu, teachers=taught_by(paths, plan, cpu))
    pupil, _ = weights.load(saved(tmp_path / "pupil", answer=target), cpu)
    assert float(task.loss(pupil, 0).detach()) == pytest.approx(0, abs=5e-3)


def test_a_teacher_that_sees_other_channels_is_refused(tmp_path):
    other = saved(tmp_path / "other", replace(RECIPE, margin_mm=12.0))
    with pytest.raises(ModelError, match="other cannot teach"):
        taught_by([other], PLAN, torch.device("cpu"))


@pytest.mark.parametrize(
    "recipe", [Recipe(model="dosediff"), replace(RECIPE, model="coarse_unet"), replace(RECIPE, model="fluence_net")]
)
def test_a_network_of_slices_of_halved_patients_or_of_fluence_cannot_be_taught(tmp_path, recipe):
    with pytest.raises(InputError, match="answer at once"):
        taught_by([saved(tmp_path / "a")], replace(PLAN, recipe=recipe), torch.device("cpu"))


def test_the_card_says_what_a_model_descends_from(tmp_path):
    from DosePredictLib.registry import ModelInfo

    one = ModelInfo("a", tmp_path, {"version": "1", "weights_sha256": "00"}, shipped=False)
    assert descent(None, []) == {}
    assert descent(one, [one]) == {
        "started_from": {"id": "a", "version": "1", "weights_sha256": "00"},
        "teachers": [{"id": "a", "version": "1", "weights_sha256": "00"}],
    }
