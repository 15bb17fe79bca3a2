"""Fields on a cylinder of water, where depth, divergence and attenuation are known."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Grid, Volume
from DosePredictLib.preprocessing.beams import ATTENUATION_PER_MM, BEAMLET_MM, SOURCE_AXIS_MM, beams_on, voxel_points

RADIUS_MM = 100.0
GRID = Grid((81, 81, 21), (3.0, 3.0, 5.0), (-120.0, -120.0, -50.0))


@pytest.fixture(scope="module")
def water() -> Volume:
    x, y, _ = np.moveaxis(voxel_points(GRID, np.arange(np.prod(GRID.shape))).reshape(*GRID.shape, 3), -1, 0)
    return Volume(np.where(np.hypot(x, y) <= RADIUS_MM, 0.0, -1000.0).astype(np.float32), GRID)


@pytest.fixture(scope="module")
def targets(water) -> np.ndarray:
    points = voxel_points(GRID, np.arange(np.prod(GRID.shape)))
    return (np.linalg.norm(points, axis=1) <= 25.0).reshape(GRID.shape)


def open_dose(beam, points) -> np.ndarray:
    return beam.influence(np.atleast_2d(np.asarray(points, float))) @ beam.open.ravel().astype(np.float32)


@pytest.mark.parametrize(("gantry", "side"), [(0, (0, -1, 0)), (90, (1, 0, 0)), (180, (0, 1, 0)), (270, (-1, 0, 0))])
def test_the_gantry_stands_where_iec_61217_says_for_a_supine_patient(water, targets, gantry, side):
    (beam,) = beams_on(water, targets, [gantry])
    np.testing.assert_allclose(beam.towards_source, side, atol=1e-12)
    near, far = 60 * np.array(side), -60 * np.array(side)
    assert open_dose(beam, near) > 1.4 * open_dose(beam, far)


@pytest.mark.parametrize("gantry", [0, 40, 130])
def test_on_its_axis_a_field_falls_off_by_depth_and_the_inverse_square(water, targets, gantry):
    (beam,) = beams_on(water, targets, [gantry])
    heights = np.array([60.0, 30.0, 0.0, -30.0, -60.0])
    expected = np.exp(-ATTENUATION_PER_MM * (RADIUS_MM - heights)) * (SOURCE_AXIS_MM / (SOURCE_AXIS_MM - heights)) ** 2
    measured = open_dose(beam, heights[:, None] * beam.towards_source)
    np.testing.assert_allclose(measured, expected, rtol=0.02)


def test_the_edge_of_a_field_diverges_from_the_source(water, targets):
    (beam,) = beams_on(water, targets, [0])
    across = np.arange(0, 60, 0.5)

    def edge(height: float) -> float:
        profile = open_dose(beam, np.stack([across, np.full_like(across, -height), np.zeros_like(across)], axis=1))
        return float(across[np.flatnonzero(profile > profile[0] / 2)[-1]])

    assert edge(80.0) / edge(-80.0) == pytest.approx((SOURCE_AXIS_MM - 80) / (SOURCE_AXIS_MM + 80), abs=0.03)


def test_a_field_is_open_over_the_target_and_one_beamlet_more(water, targets):
    (beam,) = beams_on(water, targets, [80])
    assert open_dose(beam, [0, 0, 25 + 0.5 * BEAMLET_MM]) > 0
    assert open_dose(beam, [0, 0, 25 + 4 * BEAMLET_MM]) == 0
