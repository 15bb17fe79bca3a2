"""Optimised plans of simple fields: right optimum, right symmetry, and organs that can be spared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.sparse import csr_array

from DosePredictLib.core import Grid, Volume
from DosePredictLib.preprocessing.beams import NINE_FIELDS_DEG, Beam, voxel_points
from DosePredictLib.preprocessing.channels import widened
from DosePredictLib.preprocessing.fluence import Objective, best_fluence
from DosePredictLib.preprocessing.planning import Objectives, planned_doses

GRID = Grid((61, 61, 15), (4.0, 4.0, 5.0), (-120.0, -120.0, -35.0))


def beam_of(count: int) -> Beam:
    nothing = np.zeros(3)
    return Beam(nothing, nothing, nothing, (0.0, 0.0), np.ones((1, count), bool), np.zeros((1, 1, count), np.float32))


def test_the_fluence_is_that_of_an_independent_solver():
    rng = np.random.default_rng(0)
    matrix, wanted, weight = rng.random((60, 12)), rng.normal(1, 2, 60), rng.random(60) + 0.1
    objective = Objective(wanted.astype(np.float32), weight.astype(np.float32), np.ones(60, np.float32))
    ours = best_fluence(csr_array(matrix.astype(np.float32)), [beam_of(12)], objective, iterations=3000)
    root = np.sqrt(weight)
    theirs = lsq_linear(matrix * root[:, None], wanted * root, bounds=(0, np.inf)).x
    assert (theirs < 1e-6).any() and (theirs > 0.01).any()
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_smoothness_flattens_the_fluence():
    matrix = csr_array(np.eye(6, dtype=np.float32))
    objective = Objective(np.float32([0, 0, 6, 6, 0, 0]), np.ones(6, np.float32), np.ones(6, np.float32), smoothness=3.0)
    ours = best_fluence(matrix, [beam_of(6)], objective, iterations=500)
    steps = np.diff(np.eye(6), axis=0)
    exact = np.linalg.solve(np.eye(6) + 9 * steps.T @ steps, objective.wanted)
    np.testing.assert_allclose(ours, exact, atol=1e-3)


@pytest.fixture(scope="module")
def patient():
    points = voxel_points(GRID, np.arange(np.prod(GRID.shape))).reshape(*GRID.shape, 3)
    x, y, z = np.moveaxis(points, -1, 0)
    body = np.hypot(x, y) <= 100
    wanted = np.where(np.linalg.norm(points - [20, 0, 0], axis=-1) <= 30, 1.0, 0.0).astype(np.float32)
    organ = (np.hypot(x + 35, y) <= 15) & (np.abs(z) <= 25)
    return Volume(np.where(body, 0.0, -1000.0).astype(np.float32), GRID), body, wanted, organ


def test_a_plan_covers_the_target_and_spares_what_it_is_asked_to_spare(patient):
    ct, body, wanted, organ = patient
    plans = [Objectives(iterations=300), Objectives(iterations=300, organs={"Cord": 0.6})]
    fields, plain, sparing = planned_doses(ct, body, wanted, {"Cord": organ}, plans)
    target = wanted > 0
    assert fields[target].mean() == pytest.approx(1.0)
    for dose in (plain, sparing):
        assert dose[target].mean() == pytest.approx(1.0, abs=0.06)
        assert (dose[~body] == 0).all()
        assert dose[body & ~target].mean() < 0.5
    assert sparing[organ].mean() < 0.6 * plain[organ].mean()


def test_what_is_shown_beside_the_body_does_not_change_the_plan(patient):
    ct, body, wanted, organ = patient
    plan = [Objectives(iterations=20)]
    inside = planned_doses(ct, body, wanted, {"Cord": organ}, plan)
    shown = widened(body, GRID, 11.0)
    beside = planned_doses(ct, body, wanted, {"Cord": organ}, plan, shown=shown)
    np.testing.assert_allclose(beside[:, body], inside[:, body], atol=1e-5)
    assert (beside[:, shown & ~body].max(axis=1) > 0.1).all() and (beside[:, ~shown] == 0).all()


def test_a_mask_grows_by_whole_voxels_within_its_slices():
    mask = np.zeros(GRID.shape, bool)
    mask[7, 30, 30] = True
    grown = widened(mask, GRID, 11.0)  # 2.75 voxels
    assert np.array_equal(np.argwhere(grown).min(axis=0), [7, 27, 27]) and grown.sum() == 49
    assert np.array_equal(widened(mask, GRID, 0.0), mask)


def test_the_plan_of_the_mirror_image_is_the_mirror_image_of_the_plan(patient):
    ct, body, wanted, organ = patient
    plan = [Objectives(organs={"Cord": 0.1})]
    straight = planned_doses(ct, body, wanted, {"Cord": organ}, plan, NINE_FIELDS_DEG)[1]
    flipped = planned_doses(
        Volume(ct.array[..., ::-1], GRID), body[..., ::-1], wanted[..., ::-1], {"Cord": organ[..., ::-1]}, plan, NINE_FIELDS_DEG
    )[1]
    np.testing.assert_allclose(flipped[..., ::-1], straight, atol=0.03)
