"""ADDiff-Dose's two stages: an autoencoder of doses, then diffusion of its latents, which clinical goals pull at."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError, ModelError, Recipe
from DosePredictLib.models import build
from DosePredictLib.training import loop
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.constraints import ConstraintSettings, penalty
from DosePredictLib.training.dataset import Patient, treatment_of
from DosePredictLib.training.latent import AutoencodedDose, LatentDiffusion, centred, kl_divergence, spread_evenly
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe, read_recipe

NETWORK = {
    "channels": 12, "techniques": ("IMRT",), "sites": ("Head and neck",), "latent": 4, "vae_widths": (16, 16),
    "condition_widths": (16, 16), "widths": (16, 16, 16), "context_width": 16, "heads": 2,
}  # fmt: skip
RECIPE = Recipe(
    model="addiff_dose",
    network=NETWORK,
    volumetric=True,
    dose_range=(0.0, 2.0),
    distance_unit_mm=50.0,
    missing_distance_mm=-100.0,
    diffusion={"timesteps": 1000, "beta": [1e-4, 0.02], "output": "v"},
    steps=4,
)
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0, turned=0)
SETTINGS = Settings(
    seed=3, steps=8, pretraining=4, learning_rate=1e-3, warmup=1, kl_weight=1e-4, mixup=0.4, checkpoint_every=2, ema=0.9
)
PLAN = TrainingRecipe(RECIPE, SETTINGS, STILL)
CPU = torch.device("cpu")
SLICE, ROW, COLUMN = np.indices((16, 16, 32)) - np.array([8, 8, 16]).reshape(3, 1, 1, 1)


def patient(radius: float = 5.0, gray: float = 70.0) -> Patient:
    """A ball that receives its prescription, and less the farther from it; a cord beside it."""
    distance = radius - np.sqrt(SLICE**2 + ROW**2 + COLUMN**2)
    cord = 3 - np.sqrt(SLICE**2 + (COLUMN - 12) ** 2)
    channels = np.full((16, 12, 16, 32), -2.0)
    channels[:, 0], channels[:, 1] = 0.0, distance > 0
    channels[:, 2], channels[:, 6] = distance / 10, cord / 10
    share = np.clip(1 + distance / 12, 0, 1) * (cord < 0) + 0.5 * (cord >= 0)
    counts = np.ones(share.shape, bool)
    return Patient(f"r{radius:g}", channels.astype(np.float16), (share - 1).astype(np.float16), counts, gray)


def numbers(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in network.state_dict().values()])


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Two patients, almost by heart."""
    settings = replace(SETTINGS, steps=280, pretraining=80, learning_rate=5e-3, mixup=0.0, warmup=5)
    plan = replace(PLAN, recipe=replace(RECIPE, steps=1), training=settings)
    patients = [patient(4.0), patient(7.0)]
    return plan, patients, train(plan, patients, [], tmp_path_factory.mktemp("learned"), resume=False)


def error_gy(task, network, one: Patient) -> float:
    with torch.inference_mode():
        return 70 * float(np.abs(task.predicted(network, one).numpy() - one.dose.astype(np.float32)).mean())


def test_the_autoencoder_restores_what_it_has_learned(learned) -> None:
    plan, patients, state = learned
    task = AutoencodedDose(plan, patients, CPU)
    assert max(error_gy(task, state.average.module, one) for one in patients) < 4.5


def test_the_diffusion_samples_the_dose_of_each_patient(learned) -> None:
    plan, patients, state = learned
    task = LatentDiffusion(plan, patients, CPU)
    network = state.average.module.eval()
    swapped = [replace(one, dose=other.dose) for one, other in zip(patients, reversed(patients), strict=True)]
    own, others = (sum(error_gy(task, network, one) for one in seen) for seen in (patients, swapped))
    assert own < 13.0  # two patients' sum; the mean of both doses is wrong by 7.2 Gy for each
    assert own < 0.7 * others


def test_latents_have_unit_variance(learned) -> None:
    _, patients, state = learned
    with torch.inference_mode():
        z = torch.cat([state.network.to_latent(torch.from_numpy(one.dose[None, None]).float()) for one in patients])
    torch.testing.assert_close(z.std(dim=(0, 2, 3, 4)), torch.ones(4), atol=0.05, rtol=0)


def test_each_stage_trains_its_own_part(tmp_path) -> None:
    torch.manual_seed(SETTINGS.seed)
    start = build(RECIPE.model, RECIPE.network)
    first = train(replace(PLAN, training=replace(SETTINGS, steps=4)), [patient()], [], tmp_path, resume=False).network
    whole = train(PLAN, [patient()], [], tmp_path, resume=False).network
    assert torch.equal(numbers(first.unet), numbers(start.unet)) and torch.equal(numbers(first.ct), numbers(start.ct))
    assert not torch.equal(numbers(first.vae), numbers(start.vae)) and not first.scale.any()
    assert torch.equal(numbers(whole.vae), numbers(first.vae)) and whole.scale.all()
    assert not torch.equal(numbers(whole.unet), numbers(first.unet))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return train(PLAN, [patient(4.0), patient(6.0)], [], tmp_path_factory.mktemp("straight"), resume=False)


@pytest.mark.parametrize("stop", [2, 6])
def test_a_run_goes_on_in_the_stage_in_which_it_was_interrupted(straight, stop, tmp_path, monkeypatch) -> None:
    original, seen = loop.Trainer.step, []

    def step(trainer):
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(None)
        return original(trainer)

    patients = [patient(4.0), patient(6.0)]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.Trainer, "step", step)
        train(PLAN, patients, [], tmp_path, resume=False)
    resumed = train(PLAN, patients, [], tmp_path, resume=True)
    torch.testing.assert_close(numbers(resumed.average.module), numbers(straight.average.module), rtol=0, atol=0)


def test_mixup_takes_so_much_of_each_dose() -> None:
    one, other = patient(4.0), patient(7.0)
    task = AutoencodedDose(PLAN, [other], CPU)
    _, dose, counts = task._changed(one, np.random.default_rng(0))
    mixed, _ = task._mixed(dose, counts, np.random.default_rng(1))
    share = np.random.default_rng(1).beta(0.4, 0.4)
    expected = share * one.dose.astype(np.float32) + (1 - share) * other.dose.astype(np.float32)
    np.testing.assert_allclose(mixed.numpy(), expected, atol=1e-3)


def test_a_smaller_patient_is_continued_evenly_and_a_larger_one_cut() -> None:
    small = torch.ones(2, 4, 4)
    wide = centred(small, (4, 4, 2), -1.0)
    assert wide.shape == (4, 4, 2)
    assert (wide[1:3] == 1).all() and (wide[0] == -1).all() and (wide[3] == -1).all()


def test_successive_steps_see_all_noise_levels() -> None:
    seen = np.histogram([spread_evenly(number, 1000) for number in range(777, 827)], bins=10, range=(0, 1000))[0]
    assert seen.min() >= 4 and seen.max() <= 6


def test_the_kl_term_is_that_of_gaussians() -> None:
    """From torch's own formula."""
    mean, log_variance = torch.randn(2, 4, 3, 3, 3), torch.randn(2, 4, 3, 3, 3)
    own = torch.distributions.Normal(mean, (log_variance / 2).exp())
    truth = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(kl_divergence(mean, log_variance), truth)


def test_the_kl_weight_rises_until_half_of_its_stage() -> None:
    task = AutoencodedDose(replace(PLAN, training=replace(SETTINGS, pretraining=100, steps=200)), [patient()], CPU)
    assert [task._kl_weight(number) for number in (0, 25, 50, 99)] == [0, 0.5e-4, 1e-4, 1e-4]


def missed(plan: TrainingRecipe, patients: list[Patient], network: torch.nn.Module) -> float:
    """What the sampled doses miss of the goals, all patients."""
    task, total = LatentDiffusion(plan, patients, CPU), 0.0
    for one in patients:
        with torch.inference_mode():
            gray, planned = (task._gray(unit, one) for unit in (task.predicted(network, one), torch.from_numpy(one.dose).float()))
        given, counts = torch.from_numpy(one.channels.swapaxes(0, 1)).float(), torch.ones(gray.shape)
        settings = plan.constraints
        total += float(penalty(gray, planned, given, counts, task.constraints, highest_gy=70.0, voxel_cc=0.04, settings=settings))
    return total


def test_goals_in_the_loss_are_missed_by_less(learned, tmp_path) -> None:
    """Some more steps with a goal that the dose of this model misses, and as many without it."""
    plan, patients, state = learned
    table = tmp_path / "goals.csv"
    table.write_text("structure,metric,limit,priority\nSpinalCord,Mean[Gy],<= 25,1\n")
    goal = ConstraintSettings(weight=50.0, goals=str(table), below=1000, only_where_met=False)
    results = {}
    for weight in (0.0, goal.weight):
        folder = tmp_path / f"{weight:g}"
        folder.mkdir()
        state.save(folder / "checkpoint.pt")
        longer = replace(plan, training=replace(plan.training, steps=310), constraints=replace(goal, weight=weight))
        trained = train(longer, patients, [], folder, resume=True).average.module.eval()
        results[weight] = missed(replace(plan, constraints=goal), patients, trained)
    assert results[goal.weight] < 0.7 * results[0.0]


def test_goals_ask_nothing_before_their_time(learned) -> None:
    plan, patients, state = learned
    always = ConstraintSettings(weight=50.0, below=1000, only_where_met=False)
    losses = [
        float(LatentDiffusion(replace(plan, constraints=one), patients, CPU).loss(state.network, 280).detach())
        for one in (ConstraintSettings(), replace(always, after=281), always)
    ]
    assert losses[0] == losses[1] < losses[2]


def test_patches_are_parts_of_the_patient() -> None:
    plan = replace(PLAN, recipe=replace(RECIPE, network={**NETWORK, "patch": (16, 16, 16)}))
    one = patient()
    given, dose, counts = LatentDiffusion(plan, [one], CPU)._changed(one, np.random.default_rng(0))
    assert given.shape == (1, 12, 16, 16, 16) and dose.shape == counts.shape == (16, 16, 16)
    found = [np.allclose(one.dose[:, :, start : start + 16].astype(np.float32), dose.numpy()) for start in range(17)]
    assert sum(found) == 1
    start = found.index(True)
    np.testing.assert_allclose(given[0, 2].numpy(), one.channels[:, 2, :, start : start + 16], atol=1e-3)


def test_a_patch_larger_than_a_patient_is_refused() -> None:
    plan = replace(PLAN, recipe=replace(RECIPE, network={**NETWORK, "patch": (16, 32, 32)}))
    with pytest.raises(InputError, match="patch of 16x32x32 voxels does not fit into r5, of 16x16x32"):
        AutoencodedDose(plan, [patient()], CPU)


def test_a_technique_that_is_not_in_the_vocabulary_is_refused() -> None:
    one = replace(patient(), treatment={"technique": "VMAT"})
    network = build(RECIPE.model, RECIPE.network)
    with pytest.raises(ModelError, match=r"The technique VMAT is none .* trained for \(IMRT\)"):
        LatentDiffusion(PLAN, [one], CPU).loss(network, 0)


def test_a_treatment_is_read_beside_the_case(tmp_path) -> None:
    assert treatment_of(tmp_path) == {}
    file = tmp_path / "treatment.json"
    file.write_text(json.dumps({"technique": "VMAT", "site": "Lung"}))
    assert treatment_of(tmp_path) == {"technique": "VMAT", "site": "Lung"}
    for content in ("VMAT", '{"beams": "9"}', '{"site": 3}', "[]"):
        file.write_text(content)
        with pytest.raises(InputError, match=r"treatment\.json must look like this"):
            treatment_of(tmp_path)


def test_a_patch_in_a_recipe_file_must_fit_the_network(tmp_path, repository) -> None:
    with pytest.raises(InputError, match="30x32x32 voxels has no three sides that are multiples of 16"):
        read_recipe(repository / "Resources/Recipes/addiff_dose.toml", ["recipe.network.patch = [30, 32, 32]"])


def test_where_nothing_counts_the_autoencoder_still_learns_as_if_all_did_alike() -> None:
    """Voxels without dose weigh less than others, not nothing."""
    network, one = build("addiff_dose", RECIPE.network), patient(4.0)
    nowhere, everywhere = (replace(one, counts=np.full_like(one.counts, known)) for known in (False, True))
    errors = [float(AutoencodedDose(PLAN, [case], CPU).loss(network, 0).detach()) for case in (nowhere, everywhere)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-5)
