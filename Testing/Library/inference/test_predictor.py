"""From weights and a case to a dose: the same request, the same answer; a wrong file, a clear word."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from DosePredictLib.core import Cancelled, Case, ModelError, OutputError, Recipe
from DosePredictLib.inference import predictor as predictor_module
from DosePredictLib.inference import weights
from DosePredictLib.inference.predictor import Predictor, device_of, passed_over, seeds_of
from DosePredictLib.inference.slicewise import sample_slices
from DosePredictLib.models import build
from DosePredictLib.registry import WEIGHTS


@pytest.fixture
def case(phantom_case: Case) -> Case:
    return phantom_case


@pytest.fixture
def predictor(models_with_tiny, monkeypatch) -> Predictor:
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models_with_tiny))
    return Predictor.load("tiny", "cpu")


def test_the_same_request_gives_the_same_dose(predictor, case):
    first, second, other = (predictor.predict(case, seed=seed).dose.gray for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_several_samples_give_their_mean_and_their_spread(predictor, case):
    prediction = predictor.predict(case, samples=2, seed=4)
    single = predictor.predict(case, samples=1, seed=4).dose.gray
    assert prediction.spread is not None and len(prediction.samples) == 2
    assert np.array_equal(prediction.samples[0].gray, single)
    assert predictor.predict(case, seed=4).samples == ()
    distance = np.abs(single - prediction.dose.gray)  # one of two values lies |difference| / 2 off their mean
    np.testing.assert_allclose(prediction.spread.array, np.sqrt(2) * distance, atol=1e-3)


def test_more_samples_keep_the_first_ones():
    assert seeds_of(3, 5)[:2] == seeds_of(3, 2) and len(set(seeds_of(3, 5))) == 5


def test_progress_counts_every_step_of_every_sample(predictor, case):
    seen: list[tuple[int, int]] = []
    predictor.predict(case, samples=2, steps=3, on_step=lambda done, count: seen.append((done, count)))
    assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_prediction_can_be_stopped_between_two_steps(predictor, case):
    def stop(done: int, count: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        predictor.predict(case, on_step=stop)


def test_the_number_of_slices_at_a_time_does_not_change_the_dose(predictor):
    condition = torch.randn(5, 12, 32, 32, generator=torch.Generator().manual_seed(0))
    diffusion = weights.diffusion_of(predictor.recipe)
    torch.nn.init.normal_(predictor.network.head[2].weight, std=0.2, generator=torch.Generator().manual_seed(1))
    doses = [
        sample_slices(predictor.network, diffusion, condition, steps=3, seed=0, batch=batch, half=False) for batch in (1, 2, 5)
    ]
    for dose in doses[1:]:
        torch.testing.assert_close(dose, doses[0], atol=1e-3, rtol=0)


def test_a_network_gone_wrong_is_noticed(predictor, case):
    with torch.no_grad():
        predictor.network.head[2].bias.fill_(float("nan"))
    with pytest.raises(OutputError, match="not numbers"):
        predictor.predict(case)


def test_weights_come_back_in_half_precision_with_their_recipe(tmp_path):
    recipe = Recipe(model="dosediff", network={"distance_maps": 11, "widths": [8, 8], "time_width": 8}, margin_mm=42.0)
    network = build(recipe.model, recipe.network)
    weights.save(network, recipe, tmp_path / "w.safetensors")
    loaded, read = weights.load(tmp_path / "w.safetensors", torch.device("cpu"))
    assert json.dumps(read.to_dict()) == json.dumps(recipe.to_dict())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value.half().float())


@pytest.mark.parametrize("damage", ["truncated", "not safetensors", "other architecture", "no recipe"])
def test_damaged_weights_are_refused_in_one_sentence(tmp_path, damage):
    recipe = Recipe(model="dosediff", network={"distance_maps": 11, "widths": [8, 8], "time_width": 8})
    path = tmp_path / "w.safetensors"
    weights.save(build(recipe.model, recipe.network), recipe, path)
    tensors = load_file(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "not safetensors":
        path.write_bytes(b"\x80\x04pickle")
    elif damage == "no recipe":
        save_file(tensors, path)
    else:
        other = Recipe(model="dosediff", network={"distance_maps": 11, "widths": [8, 16], "time_width": 8})
        save_file(tensors, path, metadata={"recipe": json.dumps(other.to_dict())})
    with pytest.raises(ModelError, match=r"w\.safetensors"):
        weights.load(path, torch.device("cpu"))


def test_weights_that_are_not_those_of_their_card_are_refused(models_with_tiny, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(models_with_tiny, tmp_path / "models")
    file = tmp_path / "models" / "tiny" / WEIGHTS
    file.write_bytes(file.read_bytes() + b"\0")
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "models"))
    with pytest.raises(ModelError, match="SHA-256"):
        Predictor.load("tiny", "cpu")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match="--device"):
        device_of("tpu")


def test_a_device_whose_results_are_wrong_is_refused_and_never_chosen(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(predictor_module, "problem_with", lambda device: "" if device.type == "cpu" else "computes wrong results")
    assert device_of("auto").type == "cpu"
    assert passed_over() == ["The GPU (mps) was not used: it computes wrong results."]
    with pytest.raises(ModelError, match=r"'mps' computes wrong results; use --device auto or cpu"):
        device_of("mps")
