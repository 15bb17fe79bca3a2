"""The body on synthetic scans whose outline is known, and on a real one beside the contour drawn for it."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Grid, InputError, Volume
from DosePredictLib.preprocessing.body import body_mask


def scan(spacing: float, slices: int = 6) -> tuple[np.ndarray, np.ndarray, Grid]:
    """A noisy thorax of 360 x 220 mm with lungs and a chest wall of 20 mm and more; its HU, its outline and its grid."""
    count = round(480 / spacing)
    grid = Grid((count, count, slices), (spacing, spacing, 3.0), (-240.0, -240.0, 0.0))
    x, y, _ = np.moveaxis(grid.to_world(np.stack(np.indices(grid.shape)[::-1], axis=-1)), -1, 0)
    body = (x / 180) ** 2 + (y / 110) ** 2 < 1
    lungs = ((np.abs(x) - 85) / 60) ** 2 + (y / 70) ** 2 < 1
    hu = np.where(body, np.where(lungs, -850.0, 20.0), -1000.0)
    hu += np.random.default_rng(1).normal(0, 20, hu.shape)
    return hu.astype(np.float32), body, grid


def with_couch(hu: np.ndarray, grid: Grid, top: float) -> np.ndarray:
    """A closed carbon shell of 2.5 mm around foam, 450 mm wide and 60 mm thick, its top at y = ``top`` mm."""
    x, y, _ = np.moveaxis(grid.to_world(np.stack(np.indices(grid.shape)[::-1], axis=-1)), -1, 0)
    depth = np.minimum(np.minimum(225 - np.abs(x), y - top), top + 60 - y)
    couch = (depth >= 0) & (hu < -500)
    return np.where(couch, np.where(depth < 2.5, 150.0, -930.0), hu).astype(np.float32)


@pytest.mark.parametrize("spacing", [1.0, 1.3, 2.0, 3.9])
def test_lungs_belong_to_the_body_and_the_air_around_does_not(spacing: float) -> None:
    hu, body, grid = scan(spacing)
    assert np.array_equal(body_mask(Volume(hu, grid)), body)


@pytest.mark.parametrize("top", [130.0, 108.0], ids=["below the back", "under the back, touching it"])
@pytest.mark.parametrize("spacing", [1.0, 1.3, 2.0])
def test_a_couch_does_not(spacing: float, top: float) -> None:
    hu, body, grid = scan(spacing)
    found = body_mask(Volume(with_couch(hu, grid, top), grid))
    assert not (body & ~found).any()
    assert (found & ~body).sum() < 0.02 * body.sum()  # at most what clings to the skin


def test_a_scan_of_air_is_refused() -> None:
    grid = Grid((64, 64, 4), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="shows no body"):
        body_mask(Volume(np.full(grid.shape, -1000.0, dtype=np.float32), grid))
