"""Learning whole patients: the loss measures what is scored, and changes of a patient keep dose and anatomy together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from DosePredictLib.core import Recipe
from DosePredictLib.evaluation.openkbp import dvh_metrics
from DosePredictLib.preprocessing.intensity import ct_to_unit
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.checkpoints import moving_average
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe
from DosePredictLib.training.volumes import VolumeDose, augmented, criteria_distance, dvh_distance

PLANNING = {"angles_deg": [0], "plans": [{}, {}, {}]}
RECIPE = Recipe(
    model="resdose",
    network={"channels": 16, "widths": (8, 8)},
    volumetric=True,
    dose_range=(0.0, 2.0),
    distance_unit_mm=50.0,
    missing_distance_mm=-100.0,
    planning=PLANNING,
)
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0, turned=0)
PLAN = TrainingRecipe(RECIPE, Settings(steps=60, learning_rate=3e-3, warmup=2, validate_every=60), STILL)


def patient(seed: int = 0) -> Patient:
    """Its dose is the first plan made 20 % hotter, which a network must find out."""
    rng = np.random.default_rng(seed)
    channels = rng.normal(size=(8, 16, 16, 16))
    channels[:, 13] = rng.random((8, 16, 16))
    counts = np.ones((8, 16, 16), bool)
    return Patient(f"p{seed}", channels.astype(np.float16), (1.2 * channels[:, 13] - 1).astype(np.float16), counts)


class Answer(nn.Module):
    """A network that knows the answer, or errs by a constant."""

    def __init__(self, error: float) -> None:
        super().__init__()
        self.error = error

    def forward(self, given):
        return 1.2 * given[:, 13:14] - 1 + self.error


def test_the_loss_is_the_dose_error_and_leaves_out_what_does_not_count():
    one = patient()
    one.counts[:4] = False
    one.dose[:4] = 5.0  # wrong by far, where little counts
    task = VolumeDose(PLAN, [one], torch.device("cpu"))
    loss = float(task.loss(Answer(0.1), 0))
    elsewhere = float(np.abs(one.dose[:4].astype(float) - (1.2 * one.channels[:4, 13] - 0.9)).mean())
    np.testing.assert_allclose(loss, (0.1 + 0.05 * elsewhere) / 1.05, rtol=0.02)


def test_the_dvh_distance_is_the_mean_shift_of_sorted_doses():
    dose = torch.tensor([1.0, 5.0, 3.0, 9.0])
    inside = [torch.tensor([True, True, True, False])]
    assert float(dvh_distance(dose + 0.5, dose, inside)) == 0.5
    shuffled = torch.tensor([5.0, 3.0, 1.0, 0.0])  # the same histogram elsewhere: no distance
    assert float(dvh_distance(shuffled, dose, inside)) == 0
    assert float(dvh_distance(dose, dose, [])) == 0


def test_the_criteria_are_those_of_the_challenge():
    rng = np.random.default_rng(0)
    dose, other = (torch.from_numpy(rng.random((10, 20, 30))) for _ in range(2))
    masks = {"PTV70": rng.random((10, 20, 30)) < 0.3, "Larynx": rng.random((10, 20, 30)) < 0.2}
    spacing = (3.90625, 3.90625, 2.5)
    planned, found = (dvh_metrics(one.numpy(), masks, spacing) for one in (dose, other))
    expected = np.mean([abs(planned[key] - found[key]) for key in planned])
    inside = [
        torch.from_numpy(masks["PTV70"]),
        *[torch.zeros(dose.shape, dtype=torch.bool)] * 2,
        torch.from_numpy(masks["Larynx"]),
    ]
    assert float(criteria_distance(other, dose, inside)) == pytest.approx(expected, rel=0.1)
    assert float(criteria_distance(dose, dose, inside)) == 0
    assert float(criteria_distance(other, dose, [])) == 0


def test_dvh_weight_adds_the_distance_of_the_structures():
    one = patient()
    plain = VolumeDose(PLAN, [one], torch.device("cpu"))
    both = VolumeDose(replace(PLAN, training=replace(PLAN.training, dvh_weight=0.5)), [one], torch.device("cpu"))
    np.testing.assert_allclose(float(both.loss(Answer(0.1), 0)), 1.5 * float(plain.loss(Answer(0.1), 0)), rtol=0.02)


@pytest.mark.parametrize(("share", "errors"), [(0.0, [0.0, 0.1, 0.4]), (1.0, [0.1, 0.1, 0.1])])
def test_targets_are_learned_as_they_usually_are(share, errors):
    """Three patients who differ by what their target gets alone: the whole box, and 0, 0.1 and 0.4 more than the network says."""
    patients = [patient() for _ in errors]
    for one, more in zip(patients, (0.0, 0.1, 0.4), strict=True):
        one.channels[:, 1:3], one.channels[:, 3:12] = 1, -1
        one.dose[:] += np.float16(more)
    task = VolumeDose(replace(PLAN, training=replace(PLAN.training, usual_targets=share)), patients, torch.device("cpu"))
    found = sorted(float(task.loss(Answer(0.0), step)) for step in range(3))
    np.testing.assert_allclose(found, errors, atol=4e-3)  # the trend of patients who are all alike is near their median


def test_augmentation_keeps_dose_and_plan_together():
    whole = Augmentation(flip=1, rotation=20, zoom=1.2, bend=2, shift_hu=0, drop=0, turned=1)
    volume = torch.from_numpy(np.random.default_rng(0).random((18, 4, 16, 16)).astype(np.float32))
    volume[16] = 1.2 * volume[13] - 1
    changed = augmented(volume.clone(), RECIPE, whole, np.random.default_rng(1))
    assert not torch.allclose(changed[13], volume[13])
    torch.testing.assert_close(changed[16], 1.2 * changed[13] - 1, atol=1e-4, rtol=1e-4)


def test_head_and_foot_change_places_in_everything():
    volume = torch.from_numpy(np.random.default_rng(0).random((18, 4, 16, 16)).astype(np.float32))
    still = replace(STILL, upside_down=1)
    assert torch.equal(augmented(volume.clone(), RECIPE, still, np.random.default_rng(0)), volume.flip(1))


def test_from_a_step_on_nothing_is_mirrored_or_turned():
    class Seen(Answer):
        def forward(self, given):
            self.given = given
            return super().forward(given)

    network, symmetric = Seen(0.0), replace(STILL, flip=1.0, upside_down=1.0, symmetric_until=1)
    task = VolumeDose(replace(PLAN, augmentation=symmetric), [patient()], torch.device("cpu"))
    as_he_is = torch.from_numpy(patient().channels.swapaxes(0, 1).astype(np.float32))
    task.loss(network, 0)
    assert torch.equal(network.given[0, 0], as_he_is[0].flip(0, 2))
    task.loss(network, 1)
    assert torch.equal(network.given[0], as_he_is)


def test_a_blank_ct_is_water_where_it_showed_anything():
    volume = torch.full((18, 4, 16, 16), -1.0)
    volume[0, :, 4:] = 0.6  # bone
    changed = augmented(volume.clone(), RECIPE, replace(STILL, blank_ct=1), np.random.default_rng(0))
    assert (changed[0, :, :4] == -1).all() and (changed[0, :, 4:] == ct_to_unit(np.zeros(1), RECIPE)[0]).all()
    assert torch.equal(changed[1:], volume[1:])


def test_a_lost_organ_is_far_away():
    volume = torch.zeros((18, 4, 16, 16))
    changed = augmented(volume, RECIPE, Augmentation(flip=0, turned=0, shift_hu=0, drop=1), np.random.default_rng(0))
    assert (changed[5:12] == -2).all() and (changed[:5] == 0).all() and (changed[12:] == 0).all()


def test_training_finds_the_rule_that_makes_the_dose(tmp_path):
    state = train(PLAN, [patient(0), patient(1)], [patient(2)], tmp_path, resume=False)
    task = VolumeDose(PLAN, [patient(2)], torch.device("cpu"))
    unseen = patient(2)
    with torch.inference_mode():
        error = np.abs(task.predicted(state.network, unseen).numpy() - unseen.dose).mean()
    start = 0.2 * float(unseen.channels[:, 13].mean())  # what the plan itself errs by
    assert error < 0.6 * start


def test_the_moving_average_forgets_its_first_steps():
    update, average = moving_average(0.999), [torch.zeros(1)]
    for n in range(30):
        update(average, [torch.ones(1)], torch.tensor(n))
    assert 0.95 < float(average[0]) < 1  # with a plain decay of 0.999 it would be 0.03
