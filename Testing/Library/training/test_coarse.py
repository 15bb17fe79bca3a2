"""Halved patients against means by hand; a coarse network learns what a plan lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.models import build
from DosePredictLib.models.coarse_unet import CoarseUNet
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.coarse import CoarseDose, halved_patient
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe

SIZE = {"channels": 16, "widths": (16, 16), "plan": 13}
PLANNING = {"angles_deg": [0], "plans": [{}, {}, {}]}
RECIPE = Recipe(model="coarse_unet", network=SIZE, volumetric=True, dose_range=(0.0, 2.0), planning=PLANNING)
STILL = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0, turned=0)
CPU = torch.device("cpu")


def patient(radius: float) -> Patient:
    """A ball that gets the whole prescription; around it, the dose falls off twice as fast as the plan's."""
    k, j, i = np.mgrid[-8:8, -8:8, -8:8] + 0.5
    inside = radius - np.sqrt(k**2 + j**2 + i**2)
    channels = -np.ones((16, 16, 16, 16))
    channels[:, 1], channels[:, 2] = inside > 0, inside / 10
    channels[:, 12:] = np.exp(np.minimum(0, inside) / 6)[:, None]
    share = np.exp(np.minimum(0, inside) / 3)
    return Patient(f"r{radius:g}", channels.astype(np.float16), (share - 1).astype(np.float16), np.ones((16, 16, 16), bool))


def plan_of(augmentation: Augmentation = STILL, steps: int = 1) -> TrainingRecipe:
    return TrainingRecipe(RECIPE, Settings(seed=1, steps=steps, learning_rate=5e-3, warmup=5, validate_every=1000), augmentation)


def test_the_dose_of_a_halved_voxel_is_the_mean_over_what_counts_of_it():
    whole = patient(3.5)
    counts = whole.counts.copy()
    counts[:, :, 0], counts[:, :, 2:4] = False, False
    halved = halved_patient(replace(whole, counts=counts), CoarseUNet(**SIZE))
    by_hand = (whole.dose.astype(float) + 1).reshape(8, 2, 8, 2, 8, 2)
    assert halved.counts[0, 0, :3] == pytest.approx([0.5, 0, 1])
    assert halved.dose[4, 4, 0] + 1 == pytest.approx(by_hand[4, :, 4, :, 0, 1].mean(), abs=1e-3)
    assert halved.dose[4, 4, 3] + 1 == pytest.approx(by_hand[4, :, 4, :, 3].mean(), abs=1e-3)
    assert halved.channels.shape == (8, 16, 8, 8)


def test_a_lost_organ_fills_no_voxel():
    whole = patient(3.5)
    whole.channels[:, 9] = 0.3  # everywhere
    task = CoarseDose(plan_of(replace(STILL, drop=1.0)), [whole], CPU)
    given, _, _ = task._changed(*task._drawn(0))
    assert (given[0, 5:12] == -0.5).all() and given[0, 2].max() == 0.5


def test_its_error_is_that_of_the_answer_at_half_the_resolution():
    task = CoarseDose(plan_of(), [patient(3.5)], CPU)
    halved = task.patients[0]
    expected = np.abs(halved.channels[:, 13].astype(float) - 1 - halved.dose)
    weight = np.where(halved.counts > 0, 1.0, 0.05)
    assert float(task.loss(build("coarse_unet", SIZE), 0).detach()) == pytest.approx(
        np.average(expected, weights=weight), abs=2e-3
    )


def test_a_few_patients_are_learned_by_heart(tmp_path):
    patients = [patient(radius) for radius in (2.5, 3.5)]
    state = train(plan_of(steps=150), patients, [], tmp_path, resume=False)
    task = CoarseDose(plan_of(), patients, CPU)
    with torch.inference_mode():
        errors = [np.abs(task.predicted(state.network, one).numpy() - one.dose).mean() for one in patients]
    planned = [np.abs(one.channels[:, 13] - 1 - one.dose).mean() for one in patients]
    assert all(error < 0.3 * before for error, before in zip(errors, planned, strict=True))
