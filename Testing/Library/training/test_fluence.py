"""Learning fluence from the dose of a plan that is known: the network finds it; views and copies keep what they stand for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from DosePredictLib.core import InputError
from DosePredictLib.models import build
from DosePredictLib.preprocessing.delivery import Delivery, delivery_of
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.deformation import within_slices
from DosePredictLib.training.fluence import FluenceDose, copy_of, mirror_images, planned_on
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe, read_recipe
from DosePredictLib.training.volumes import tensor_of

from ..preprocessing.test_delivery import RECIPE, SPACING, channels_of

SIZE = {"regions": 8, "plans": 2, "widths": (16, 16), "stages": 2}
NETWORK = replace(RECIPE, network=SIZE, volumetric=True, dose_range=(0.0, 2.0))
STILL = Augmentation(flip=0, zoom=1, drop=0, copies=0)
CPU = torch.device("cpu")
RECIPES = Path(__file__).resolve().parents[3] / "Resources" / "Recipes"


@pytest.fixture(scope="module")
def patient() -> Patient:
    """He got the first plan; the network starts from the second, with fields from one side at half their fluence."""
    channels = channels_of()
    delivery = delivery_of(channels, NETWORK, SPACING)
    dose = delivery.dose(given_fluence(delivery), 0.0)
    return Patient(
        "p", channels.swapaxes(0, 1).astype(np.float16), (dose - 1).astype(np.float16), channels[0] > -0.99, spacing_mm=SPACING
    )


def given_fluence(delivery: Delivery) -> np.ndarray:
    return (delivery.plans[:, 0] * np.where(delivery.places < delivery.places.max() / 2, 1.3, 0.7)).astype(np.float32)


def plan_of(augmentation: Augmentation = STILL, steps: int = 1) -> TrainingRecipe:
    settings = Settings(seed=1, steps=steps, learning_rate=3e-3, warmup=5, ema=0.9, validate_every=1000)
    return TrainingRecipe(NETWORK, settings, augmentation)


def test_dose_is_compared_at_every_eighth_voxel_that_counts(patient):
    planned, lattice = planned_on(patient, NETWORK), (slice(None, None, 2),) * 3
    counted, inside = patient.counts[lattice], patient.channels[:, 2:7].swapaxes(0, 1)[(slice(None), *lattice)] > 0
    assert int(planned.counts.sum()) == counted.sum()
    np.testing.assert_allclose(planned.dose[planned.counts], patient.dose[lattice][counted].astype(np.float32) + 1, atol=1e-6)
    assert [int(one.sum()) for one in planned.structures] == [(one & counted).sum() for one in inside]
    assert float(planned.error(planned.dose + 0.1)) == pytest.approx(0.1)


def test_the_loss_is_the_error_of_every_stage(patient):
    """An untrained network delivers the second plan in both stages; the first of them counts 0.3."""
    planned = planned_on(patient, NETWORK)
    error = planned.error(torch.from_numpy(planned.delivery.matrix @ planned.delivery.plans[:, 1]))
    loss = float(FluenceDose(plan_of(), [patient], CPU).loss(build("fluence_net", SIZE), 0).detach())
    assert loss == pytest.approx(1.3 * float(error), rel=1e-3)


def test_fields_are_told_apart_by_the_dose_of_all(patient):
    """The fitted fluence gives every field about the dose that it had in the plan, not only all of them their sum."""
    planned = planned_on(patient, NETWORK)
    real = torch.from_numpy(given_fluence(planned.delivery))
    others = torch.from_numpy(planned.delivery.plans[:, 0])
    assert float(planned.error(torch.from_numpy(planned.delivery.matrix @ planned.fluence.numpy()))) < 0.01
    assert float(planned.field_error(real)) < 0.25 * float(planned.field_error(others))


def test_the_error_of_fields_is_the_sum_of_what_each_gives_too_much(patient):
    planned = planned_on(patient, NETWORK)
    of_one = planned.delivery.places < planned.delivery.shape[1] * planned.delivery.shape[2]
    more = planned.fluence + torch.from_numpy(np.where(of_one, 0.1, 0).astype(np.float32))
    expected = (planned.delivery.matrix @ np.where(of_one, 0.1, 0))[planned.counts].mean()
    assert float(planned.field_error(more)) == pytest.approx(expected, rel=1e-3)
    fields = replace(plan_of(), training=replace(plan_of().training, fields_weight=2.0))
    start = torch.from_numpy(planned.delivery.plans[:, 1])
    with_them, without = (
        float(FluenceDose(plan, [patient], CPU).loss(build("fluence_net", SIZE), 0).detach()) for plan in (fields, plan_of())
    )
    assert with_them - without == pytest.approx(2 * 1.3 * float(planned.field_error(start)), rel=1e-3)


def test_a_plan_is_learned_by_heart(patient, tmp_path):
    before = FluenceDose(plan_of(), [patient], CPU).predicted(build("fluence_net", SIZE), patient).numpy()
    state = train(plan_of(steps=120), [patient], [patient], tmp_path, resume=False)
    after = FluenceDose(plan_of(), [patient], CPU).predicted(state.network, patient).numpy()
    error, was = (np.abs(one - patient.dose)[patient.counts].mean() for one in (after, before))
    assert error < 0.4 * was


RESHAPED = replace(STILL, zoom=1.2, bend=2.0)


def test_a_copy_is_of_another_shape_and_the_same_every_time(patient):
    copy, again, other = (copy_of(patient, number, RESHAPED) for number in (1, 1, 2))
    volume = [int((one.channels[:, 2] > 0).sum()) for one in (patient, copy, other)]
    np.testing.assert_array_equal(copy.channels, again.channels)
    assert len(set(volume)) == 3 and all(1 / 2.2 < one / volume[0] < 2.2 for one in volume)
    assert copy_of(patient, 0, RESHAPED) is patient


def test_the_same_fields_fit_a_copy_and_do_not_fit_a_patient_turned_by_another_angle(patient):
    volume = within_slices(tensor_of(patient), np.radians(20.0), np.ones(2)).numpy()
    channels = volume[:-2].swapaxes(0, 1).astype(np.float16)
    turned = replace(patient, channels=channels, dose=volume[-2].astype(np.float16), counts=volume[-1] > 0.5)
    copies = [copy_of(patient, number, RESHAPED) for number in range(1, 5)]
    left, of_turned = (
        [float(one.error(torch.from_numpy(one.delivery.matrix @ one.fluence.numpy()))) for one in found]
        for found in ([planned_on(copy, NETWORK) for copy in copies], [planned_on(turned, NETWORK)])
    )
    assert max(left) < 0.5 * of_turned[0]


def test_views_differ_from_step_to_step_and_a_lost_organ_is_lost(patient):
    task = FluenceDose(plan_of(replace(STILL, flip=0.5, upside_down=0.5, drop=1.0)), [patient], CPU)
    delivery = planned_on(patient, NETWORK).delivery
    views = [task._changed_view(delivery, np.random.default_rng(seed)) for seed in range(20)]
    assert len({(bool(one.mirror), one.upside_down) for one in views}) == 4
    assert views[0].lost == (3, 4) and mirror_images(NETWORK) == (0, 1, 2, 4, 3, 5, 6, 7)


@pytest.mark.parametrize(
    "change",
    [
        "recipe.planning.angles_deg=[0, 40, 80]",
        "recipe.planning.angles_deg=[0, 40, 80, 120, 160, 200, 240, 280, 300]",
        "recipe.network.regions=12",
        "recipe.network.plans=2",
        'recipe.structures=["Parotid_L", "Parotid_R"]',
    ],
)
def test_other_fields_and_regions_than_the_network_has_are_refused(change):
    with pytest.raises(InputError, match="9 equally spaced fields, 2 plans or more"):
        read_recipe(RECIPES / "fluence_net.toml", [change])


@pytest.mark.parametrize(
    "change",
    ["augmentation.turned=0.5", "augmentation.turns_deg=[40]", "augmentation.blank_ct=0.1", "training.usual_targets=0.5"],
)
def test_what_would_have_no_effect_is_refused(change):
    name = change.split("=")[0].split(".")[1]
    with pytest.raises(InputError, match=f"leave out or set to 0: {name}."):
        read_recipe(RECIPES / "fluence_net.toml", [change])


def test_criteria_count_for_what_the_recipe_says(patient):
    """Of the target D99%, D95% and D1%, of the left parotid the mean and the third highest dose."""
    planned = planned_on(patient, NETWORK)
    dose, real = planned.delivery.matrix @ planned.delivery.plans[:, 1], planned.dose.numpy()
    target, organ = (planned.structures[number].numpy() for number in (0, 3))
    ours, theirs = (
        [*np.quantile(of[target], [0.01, 0.05, 0.99], method="nearest"), of[organ].mean(), np.sort(of[organ])[-3]]
        for of in (dose, real)
    )
    plan = replace(plan_of(), training=replace(plan_of().training, criteria_weight=2.0))
    with_them, without = (
        float(FluenceDose(p, [patient], CPU).loss(build("fluence_net", SIZE), 0).detach()) for p in (plan, plan_of())
    )
    assert with_them - without == pytest.approx(2 * np.abs(np.subtract(ours, theirs)).mean(), rel=0.02)
