"""Fluence by a network: gradients through dose, views that undo themselves, and the start, which is a plan."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from DosePredictLib.inference.fluencewise import START, Product, Seen, delivered_volume, mean_fluence, members_of, unrolled
from DosePredictLib.models import build
from DosePredictLib.preprocessing.delivery import Delivery, delivery_of
from DosePredictLib.preprocessing.intensity import dose_to_unit

from ..preprocessing.test_delivery import RECIPE, SPACING, channels_of

SIZE = {"regions": 8, "plans": 2, "widths": (16, 16), "stages": 2, "members": 2}
MIRROR = (0, 1, 2, 4, 3, 5, 6, 7)


@pytest.fixture(scope="module")
def delivery() -> Delivery:
    return delivery_of(channels_of(), RECIPE, SPACING)


def network(*, answering: bool):
    torch.manual_seed(0)
    made = build("fluence_net", SIZE)
    if answering:
        for stage in (stage for stages in made.members for stage in stages):
            nn.init.normal_(stage.answer.weight, std=0.1)
    return made.eval()


def test_the_gradient_of_dose_is_that_of_a_full_matrix(delivery):
    fluence = torch.from_numpy(delivery.plans[:, 0]).requires_grad_()
    dense = torch.from_numpy(delivery.matrix.toarray())
    Product.apply(fluence, delivery.matrix).square().sum().backward()
    ours, fluence.grad = fluence.grad, None
    (dense @ fluence).square().sum().backward()
    torch.testing.assert_close(ours, fluence.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mirror", [(), MIRROR])
@pytest.mark.parametrize("upside_down", [False, True])
def test_beamlets_come_back_from_the_maps_of_any_view(delivery, mirror, upside_down):
    seen = Seen(delivery, mirror=mirror, upside_down=upside_down)
    values = torch.arange(1.0, 1 + len(delivery.places))
    assert torch.equal(seen.beamlets(seen.maps(values[:, None])), values)


def test_in_the_mirror_the_field_at_40_degrees_is_the_one_at_320(delivery):
    fluence = torch.from_numpy(delivery.plans[:, 1])[:, None]
    plain, mirrored = Seen(delivery).maps(fluence), Seen(delivery, mirror=MIRROR).maps(fluence)
    torch.testing.assert_close(mirrored[1], plain[8].flip(2))
    torch.testing.assert_close(mirrored[0], plain[0].flip(2))


def test_the_network_is_told_that_it_looks_into_a_mirror(delivery):
    """By the sign of where fields are open, so that it can learn that left and right are not treated alike."""
    number = delivery.regions.shape[1] + delivery.plans.shape[1]
    plain, mirrored = (Seen(delivery, mirror=mirror).given[:, number] for mirror in ((), MIRROR))
    assert set(plain.unique().tolist()) == {0.0, 1.0} and set(mirrored.unique().tolist()) == {-1.0, 0.0}


def test_in_the_mirror_the_left_parotid_is_the_right_one(delivery):
    plain, mirrored = Seen(delivery).regions, Seen(delivery, mirror=MIRROR).regions
    assert torch.equal(mirrored[:, 4], plain[:, 3]) and plain[:, 3].any() and not mirrored[:, 3].any()
    assert not Seen(delivery, lost=(3,)).regions[:, 3].any()


def test_an_untrained_network_delivers_the_plan_it_starts_from(delivery):
    found = delivered_volume(network(answering=False), torch.from_numpy(channels_of()), RECIPE, SPACING, half=False)
    plan = dose_to_unit(delivery.dose(delivery.plans[:, START], 0.0), 1.0, RECIPE)
    np.testing.assert_allclose(found, plan, atol=1e-5)


def test_fluence_is_never_negative_and_the_dose_is_what_it_delivers(delivery):
    trained = network(answering=True)
    with torch.inference_mode():
        (first, one), (_, other) = (unrolled(stages, Seen(delivery), half=False) for stages in members_of(trained))
        mean = mean_fluence(trained, Seen(delivery), half=False)
    assert min(one.min(), other.min()) >= 0 and not torch.equal(first, one) and not torch.equal(one, other)
    torch.testing.assert_close(mean, (one + other) / 2)
    found = delivered_volume(trained, torch.from_numpy(channels_of()), RECIPE, SPACING, half=False)
    at_points = dose_to_unit(delivery.matrix @ mean.numpy(), 1.0, RECIPE)
    np.testing.assert_allclose(found.numpy().ravel()[delivery.points], at_points, atol=1e-4)
