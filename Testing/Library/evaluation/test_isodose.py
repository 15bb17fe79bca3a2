"""Isodose volumes whose overlap and distance are known."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid
from DosePredictLib.evaluation.isodose import isodose_agreement


def ball(radius: float, x: float = 0.0, spacing: float = 2.5) -> DoseGrid:
    """A dose that falls from 60 Gy by 1 Gy/mm; its 60 - r Gy isodose is a sphere of radius r around (x, 0, 0)."""
    count = int(90 / spacing)
    grid = Grid((count,) * 3, (spacing,) * 3, (-44.3, -44.9, -43.7))
    k, j, i = np.mgrid[:count, :count, :count]
    distance = np.linalg.norm(grid.to_world(np.stack([i, j, k], -1)) - [x, 0, 0], axis=-1)
    return DoseGrid(np.clip(60 + radius - 20 - distance, 0, None), grid)


def test_a_dose_agrees_with_itself() -> None:
    found = isodose_agreement(ball(20), ball(20), 40.0)
    assert (found.dice, found.hausdorff95_mm) == (pytest.approx(1), pytest.approx(0, abs=1e-3))


@pytest.mark.parametrize("larger", [0.5, 1.0, 3.0])
def test_concentric_spheres_are_apart_by_the_difference_of_their_radii(larger: float) -> None:
    found = isodose_agreement(ball(20 + larger), ball(20), 40.0)
    assert found.hausdorff95_mm == pytest.approx(larger, abs=0.1)
    assert found.dice == pytest.approx(2 * 20**3 / (20**3 + (20 + larger) ** 3), abs=0.003)


@pytest.mark.parametrize("moved", [1.0, 4.0])
def test_of_moved_spheres_95_percent_of_the_surface_is_nearer_than_a_share_of_the_move(moved: float) -> None:
    """The distance of a point at angle t from the direction is about moved |cos t|, whose cosine is uniform: 95 % below 0.95."""
    found = isodose_agreement(ball(20, x=moved), ball(20), 40.0)
    assert found.hausdorff95_mm == pytest.approx(0.95 * moved, rel=0.03)
    overlap = (40 - moved) ** 2 * (moved**2 + 80 * moved) / (12 * moved) * np.pi
    assert found.dice == pytest.approx(overlap / (4 / 3 * np.pi * 20**3), abs=0.004)


def test_another_grid_changes_little() -> None:
    found = isodose_agreement(ball(21, spacing=3.0), ball(20, spacing=2.0), 40.0)
    assert found.hausdorff95_mm == pytest.approx(1, abs=0.1)


def test_an_isodose_that_only_one_dose_reaches_shares_nothing() -> None:
    found = isodose_agreement(ball(20), ball(10), 55.0)
    assert found.dice == 0
    assert np.isnan(found.hausdorff95_mm)
    assert np.isnan(isodose_agreement(ball(20), ball(20), 90.0).dice)
