"""The predicted dose on another grid than the network's."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Case, DoseGrid, Grid, Prescription, Structure, StructureSet, Target, Volume
from DosePredictLib.inference.export import exported, to_grid

COARSE = Grid((24, 24, 24), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
FINE = Grid((90, 90, 60), (1.0, 1.0, 1.5), (1.0, 2.0, 1.5))


def box(name: str, low: float, high: float) -> Structure:
    """A cube along the axes as contours on FINE's planes; its edges, in mm, lie between voxels of FINE."""
    corners = [(low, low), (high, low), (high, high), (low, high)]
    planes = np.arange(low + 1.0, high, 1.5)
    return Structure(name, contours=tuple(np.array([(x, y, z) for x, y in corners]) for z in planes))


def case_with(external: Structure) -> Case:
    return Case(
        Volume(np.zeros(COARSE.shape), COARSE),
        StructureSet((box("PTV", 30.5, 62.5), external)),
        Prescription((Target("PTV", 70.0),)),
        names={"External": "External"},
    )


def step_dose() -> DoseGrid:
    """70 Gy in the target's voxels, a little more at its centre, 40 Gy around."""
    k, j, i = np.indices(COARSE.shape)
    inside = np.all([(4 * n > 30.5) & (4 * n < 62.5) for n in (k, j, i)], axis=0)
    return DoseGrid(np.where(inside, 70.0 + 0.1 * np.minimum(k, 11), 40.0).astype(np.float32), COARSE)


def fine_target() -> np.ndarray:
    k, j, i = np.indices(FINE.shape)
    return np.all([(n > 30.5) & (n < 62.5) for n in np.moveaxis(FINE.to_world(np.stack([i, j, k], axis=-1)), -1, 0)], axis=0)


def test_the_exported_dose_is_the_linear_field_it_came_from_and_nothing_outside_the_body():
    coarse = Grid((10, 12, 14), (4.0, 4.0, 3.0), (0.0, 0.0, 0.0))
    fine = Grid((20, 20, 20), (1.3, 1.1, 0.9), (3.0, 5.0, 4.0))
    k, j, i = np.indices(coarse.shape)
    x, y, z = np.moveaxis(coarse.to_world(np.stack([i, j, k], axis=-1)), -1, 0)
    body = np.zeros(fine.shape, bool)
    body[:, 5:] = True
    found = to_grid(DoseGrid(x + 2 * y + 3 * z, coarse), fine, body).gray
    k, j, i = np.indices(fine.shape)
    x, y, z = np.moveaxis(fine.to_world(np.stack([i, j, k], axis=-1)), -1, 0)
    np.testing.assert_allclose(found, np.where(body, x + 2 * y + 3 * z, 0), atol=1e-3)


def test_interpolation_takes_nothing_from_the_coldest_part_of_a_target_and_changes_nothing_beside_it():
    target = fine_target()
    plain = to_grid(step_dose(), FINE, np.ones(FINE.shape, bool)).gray
    found = exported(step_dose(), case_with(box("External", -9.5, 110.5)), FINE).gray
    assert plain[target].min() < 60
    layers = np.array([70.8, 70.9, 71.0, 71.1, 71.1, 71.1, 71.1, 71.1])  # of the target's voxels
    assert found[target].min() == pytest.approx(70.8, abs=1e-3) and found[target].mean() == pytest.approx(layers.mean(), abs=1e-3)
    np.testing.assert_array_equal(found[~target], plain[~target])


def test_a_target_that_the_body_cuts_is_interpolated_as_it_is():
    found = exported(step_dose(), case_with(box("External", 0.5, 50.5)), FINE).gray
    np.testing.assert_array_equal(found, to_grid(step_dose(), FINE, found > 0).gray)
    assert found[fine_target()].min() == 0 and found.max() > 70


def test_a_grid_beside_the_targets_gets_the_dose_that_is_there():
    beside = Grid((5, 5, 5), (2.0, 2.0, 2.0), (72.0, 72.0, 72.0))
    np.testing.assert_allclose(exported(step_dose(), case_with(box("External", -9.5, 110.5)), beside).gray, 40.0, atol=1e-3)
