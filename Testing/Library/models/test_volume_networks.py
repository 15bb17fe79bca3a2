"""The baselines are built as published, and can learn a few patients by heart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.models import build
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe
from DosePredictLib.training.volumes import EARLIER, VolumeDose

CASCADE = {"channels": 12, "first": (8, 8), "second": (8, 16)}
TINY = {"unet": {"channels": 12, "widths": (16, 16)}, "c3d": CASCADE, "c3d, half resolution": {**CASCADE, "stem": 8}}
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0, turned=0)


def plan_of(model: str, steps: int) -> TrainingRecipe:
    recipe = Recipe(model=model.partition(",")[0], network=TINY[model], volumetric=True, dose_range=(0.0, 2.0))
    return TrainingRecipe(recipe, Settings(seed=1, steps=steps, learning_rate=5e-3, warmup=5, validate_every=1000), STILL)


def patient(radius: float) -> Patient:
    """A ball that gets the whole prescription; the dose falls off around it."""
    k, j, i = np.mgrid[-4:4, -8:8, -8:8] + 0.5
    inside = radius - np.sqrt(k**2 + j**2 + i**2)
    channels = np.zeros((8, 12, 16, 16))
    channels[:, 1], channels[:, 2] = inside > 0, inside / 10
    share = np.exp(np.minimum(0, inside) / 3)
    return Patient(f"r{radius:g}", channels.astype(np.float16), (share - 1).astype(np.float16), np.ones((8, 16, 16), bool))


@pytest.mark.parametrize("model", TINY)
def test_a_few_patients_are_learned_by_heart(model, tmp_path):
    patients = [patient(radius) for radius in (2.5, 3.5, 5.0)]
    plan = plan_of(model, steps=400)
    state = train(plan, patients, [], tmp_path, resume=False)
    task = VolumeDose(plan, patients, torch.device("cpu"))
    with torch.inference_mode():
        errors = [np.abs(task.predicted(state.network, one).numpy() - one.dose).mean() for one in patients]
    constant = [np.abs(one.dose - np.median(one.dose)).mean() for one in patients]  # the best that is not learned
    assert all(error < 0.25 * guess for error, guess in zip(errors, constant, strict=True))


def test_c3d_has_the_size_of_the_published_network():
    with torch.device("meta"):
        network = build("c3d", {"channels": 9, "first": [16, 32, 64, 128, 256], "second": [32, 64, 128, 256, 512]})
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(32e6, rel=0.02)


def test_the_first_answer_of_a_cascade_counts_in_the_loss():
    class Answers(torch.nn.Module):
        def forward(self, given):
            dose = torch.from_numpy(patient(3.5).dose.astype(np.float32))[None, None]
            return torch.cat([dose + 0.1, dose + 0.4], dim=1)

    task = VolumeDose(plan_of("c3d", steps=1), [patient(3.5)], torch.device("cpu"))
    assert float(task.loss(Answers(), 0)) == pytest.approx(0.1 + EARLIER * 0.4, rel=1e-3)


def test_the_second_network_sees_what_the_first_found():
    torch.manual_seed(0)
    network = build("c3d", TINY["c3d"])
    given = torch.randn(1, 12, 8, 16, 16)
    before = network(given)[:, 0]
    torch.nn.init.zeros_(network.first.up[0][-2].weight)
    assert not torch.allclose(network(given)[:, 0], before)


def test_the_plain_network_starts_without_dose():
    assert (build("unet", TINY["unet"])(torch.randn(1, 12, 8, 16, 16)) == -1).all()


@pytest.mark.parametrize(("model", "size"), [("unet", {"channels": 12}), ("resdose", {"channels": 16, "plan": 13})])
def test_a_network_of_masks_does_not_see_how_far_structures_are(model, size):
    torch.manual_seed(0)
    network = build(model, {**size, "widths": (16, 16), "masks": True})
    torch.nn.init.normal_((network.share if model == "unet" else network.correction).answer.weight)
    given = torch.randn(1, size["channels"], 8, 16, 16)
    farther, other = given.clone(), given.clone()
    farther[:, 2:12] *= 2
    other[:, 11] *= -1
    assert torch.equal(network(farther), network(given))
    assert not torch.allclose(network(other), network(given))
    for number in {0, 1, *range(12, size["channels"])}:  # the rest it sees as it is
        changed = given.clone()
        changed[:, number] *= 2
        assert not torch.allclose(network(changed), network(given))


@pytest.mark.parametrize(("model", "size"), [("unet", {"channels": 12}), ("resdose", {"channels": 16, "plan": 13})])
def test_edges_start_as_nothing_and_are_those_of_the_structures(model, size):
    torch.manual_seed(0)
    network = build(model, {**size, "widths": (16, 16), "edges": True})
    plain = build(model, {**size, "widths": (16, 16)})
    part = network.share if model == "unet" else network.correction
    torch.nn.init.normal_(part.answer.weight)
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if "edges" not in name})
    given = torch.randn(1, size["channels"], 8, 16, 16)
    assert torch.equal(network(given), plain(given))
    torch.nn.init.normal_(part.edges.weight)
    inside = (given[:, 2:12] > 0).float()
    torch.testing.assert_close(part.edges(inside), part.edges((given[:, part.distances] > 0).float()))
    assert not torch.allclose(network(given), plain(given))
