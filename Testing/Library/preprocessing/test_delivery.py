"""What fields can deliver to a ball in a cylinder of water, against the plan by itself and against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Grid, Recipe, Volume
from DosePredictLib.preprocessing.beams import NINE_FIELDS_DEG, opened, voxel_points
from DosePredictLib.preprocessing.delivery import Delivery, delivery_of
from DosePredictLib.preprocessing.fluence import influence
from DosePredictLib.preprocessing.intensity import ct_to_unit
from DosePredictLib.preprocessing.planning import Objectives, planned_doses

PLANS = [{"iterations": 20}, {"iterations": 20, "organs": {"Parotid_L": 0.6}}]
RECIPE = Recipe(
    model="fluence_net",
    structures=("Parotid_L", "Parotid_R"),
    distance_unit_mm=50.0,
    missing_distance_mm=-100.0,
    planning={"angles_deg": list(NINE_FIELDS_DEG), "plans": PLANS},
)
SPACING = (4.0, 4.0, 5.0)
GRID = Grid((48, 48, 16), SPACING, (0.0, 0.0, 0.0))


def channels_of() -> np.ndarray:
    """CT, prescription, three targets of which the first is there, a left parotid; the right one is missing."""
    points = voxel_points(GRID, np.arange(np.prod(GRID.shape))).reshape(*GRID.shape, 3) - [94.0, 94.0, 37.5]
    x, y, z = np.moveaxis(points, -1, 0)
    target = (24 - np.linalg.norm(points, axis=-1)) / 50
    organ = np.minimum(12 - np.hypot(x - 50, y), 20 - np.abs(z)) / 50
    hu = np.where(np.hypot(x, y) < 90, 0.0, -1000.0)
    missing = np.full(GRID.shape, -2.0)
    return np.stack([ct_to_unit(hu, RECIPE), target > 0, target, missing, missing, organ, missing]).astype(np.float32)


@pytest.fixture(scope="module")
def channels() -> np.ndarray:
    return channels_of()


@pytest.fixture(scope="module")
def delivery(channels) -> Delivery:
    return delivery_of(channels, RECIPE, SPACING)


def test_a_plan_gives_the_dose_that_it_has_by_itself(channels, delivery):
    body, organ = channels[0] > -0.99, channels[5] > 0
    ct = Volume(np.where(body, 0.0, -1000.0).astype(np.float32), GRID)
    plans = [Objectives(**plan) for plan in PLANS]
    _, *expected = planned_doses(ct, body, channels[1], {"Parotid_L": organ}, plans)
    for number, alone in enumerate(expected):
        fluence = delivery.plans[:, number]
        np.testing.assert_allclose(delivery.dose(fluence, 0.0), alone, atol=1e-4)
        np.testing.assert_allclose(delivery.matrix @ fluence, alone.ravel()[delivery.points], atol=1e-4)


def test_dose_may_reach_beside_what_the_ct_shows(channels, delivery):
    fluence, body = delivery.plans[:, 0], channels[0] > -0.99
    beyond = delivery.dose(fluence, 8.0)
    assert not delivery.dose(fluence, 0.0)[~body].any()
    assert beyond[~body].any() and (beyond[body] == delivery.dose(fluence, 0.0)[body]).all()


def test_regions_are_what_lies_at_the_points(channels, delivery):
    away = -channels[2].ravel()[delivery.points] * 50
    shells = [(away > 0) & (away < 10), (away >= 10) & (away < 30), away >= 30]
    assert delivery.regions.shape == (len(delivery.points), 8)
    np.testing.assert_array_equal(delivery.regions[:, 0], away < 0)
    np.testing.assert_array_equal(delivery.regions[:, 3], channels[5].ravel()[delivery.points] > 0)
    np.testing.assert_array_equal(delivery.regions[:, 5:], np.stack(shells, axis=1))
    assert not delivery.regions[:, [1, 2, 4]].any()
    assert delivery.regions[:, 0].sum() * delivery.point_cc == pytest.approx(4 / 3 * np.pi * 2.4**3, rel=0.15)


def test_dose_at_any_voxels_is_that_of_all(delivery):
    fluence, voxels = delivery.plans[:, 1], np.arange(5, GRID.shape[0] * 48 * 48, 97)
    voxels = voxels[delivery.seen.ravel()[voxels]]
    matrix = influence(delivery.beams, voxel_points(GRID, voxels))[:, np.flatnonzero(opened(delivery.beams))]
    np.testing.assert_allclose(matrix @ fluence, delivery.dose(fluence, 0.0).ravel()[voxels], atol=1e-4)


def test_a_map_shows_the_isocentre_at_the_same_place_in_every_field(delivery):
    """The ball is at the isocentre, so that what is open has its middle at the same place of every map."""
    field, row, column = np.unravel_index(delivery.places, delivery.shape)
    middles = np.array([[row[field == one].mean(), column[field == one].mean()] for one in range(9)])
    assert delivery.shape[0] == 9 and delivery.shape[1] % 8 == delivery.shape[2] % 8 == 0
    assert np.ptp(middles, axis=0).max() < 0.3
