"""Gamma against closed forms, against a brute-force search, and against pymedphys where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid
from DosePredictLib.evaluation.gamma import gamma
from DosePredictLib.evaluation.interpolation import trilinear


def blobs(seed: int, *, moved: float = 0.0, scale: float = 1.0, shape: tuple[int, int, int] = (18, 26, 28)) -> DoseGrid:
    """Smooth hills of up to about 70 Gy on 2.5 mm voxels."""
    rng = np.random.default_rng(seed)
    grid = Grid(shape[::-1], (2.5, 2.5, 2.5), (0.0, 0.0, 0.0))
    k, j, i = np.mgrid[: shape[0], : shape[1], : shape[2]] * 2.5
    gray = np.zeros(shape)
    for _ in range(6):
        centre, width = rng.random(3) * np.array(shape) * 2.5, rng.uniform(5, 14)
        squared = (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - moved - centre[2]) ** 2
        gray += rng.uniform(20, 60) * np.exp(-squared / (2 * width**2))
    return DoseGrid(scale * gray, grid)


def test_a_dose_agrees_with_itself_everywhere() -> None:
    found = gamma(blobs(0), blobs(0))
    assert found.evaluated.max() < 1e-4
    assert found.percent_within == 100


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("local", [False, True])
def test_a_shifted_gradient_has_its_closed_form(linear_dose, axis: int, local: bool) -> None:
    """Gradient g, offset d: gamma = d / sqrt(dose^2 + (g distance)^2), reached at a distance of d g distance^2 / (...)."""
    gradient = 0.4 * np.eye(3)[axis]
    reference = linear_dose(gradient, at=50.0)
    evaluated = DoseGrid(reference.gray + 1.2, reference.grid)
    found = gamma(evaluated, reference, normalisation_gy=60.0, local=local, threshold_percent=0).volume.array[6:-6, 6:-6, 6:-6]
    tolerance = 0.03 * (reference.gray[6:-6, 6:-6, 6:-6] if local else 60.0)
    truth = 1.2 / np.sqrt(tolerance**2 + (0.4 * 2.0) ** 2)
    np.testing.assert_allclose(found, np.broadcast_to(truth, found.shape), atol=2e-3)


def test_a_uniform_offset_is_the_dose_difference_alone_and_large_ones_are_capped(linear_dose) -> None:
    flat = linear_dose((0, 0, 0), at=50.0)
    for offset, truth in ((0.75, 0.5), (1.5, 1.0), (6.0, 2.0)):
        found = gamma(DoseGrid(flat.gray + offset, flat.grid), flat)
        np.testing.assert_allclose(found.evaluated, truth, atol=1e-6)


def test_different_grids_of_one_field_agree(linear_dose) -> None:
    reference = linear_dose((0.5, 0.2, -0.3), spacing=3.0, half_mm=30)
    evaluated = linear_dose((0.5, 0.2, -0.3), spacing=1.7, half_mm=36)
    assert gamma(evaluated, reference).evaluated.max() < 1e-3


def test_points_below_the_threshold_and_outside_the_mask_are_left_out() -> None:
    dose = blobs(3)
    mask = np.zeros(dose.gray.shape, bool)
    mask[5:10] = True
    found = gamma(dose, dose, threshold_percent=20, mask=mask).volume.array
    np.testing.assert_array_equal(np.isfinite(found), mask & (dose.gray >= 0.2 * dose.gray.max()))


@pytest.mark.parametrize("local", [False, True])
def test_no_finer_search_finds_a_much_lower_gamma(local: bool) -> None:
    """Brute force on a lattice of 0.25 mm is never much below, and never further above than its own step explains."""
    reference, evaluated = blobs(1), blobs(1, moved=1.7, scale=1.03)
    found = gamma(evaluated, reference, local=local)
    index = np.argwhere(np.isfinite(found.volume.array))
    index = index[np.random.default_rng(0).choice(len(index), 150, replace=False)]
    line = np.arange(-4, 4.01, 0.25)
    offsets = np.stack(np.meshgrid(line, line, line), -1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets, axis=1) <= 4]
    last = np.array(reference.grid.size) - 1
    for k, j, i in index:
        planned = reference.gray[k, j, i]
        places = np.array([i, j, k]) + offsets / 2.5
        squared = ((trilinear(evaluated.gray, places) - planned) / (0.03 * (planned if local else reference.gray.max()))) ** 2
        squared += (offsets**2).sum(1) / 4
        inside = ((places >= 0) & (places <= last)).all(1)
        brute = min(2.0, np.sqrt(squared[inside].min()))
        assert found.volume.array[k, j, i] <= brute + 0.02
        assert found.volume.array[k, j, i] >= brute - 0.25


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_agrees_with_pymedphys_in_all_but_one_of_a_thousand_points(seed: int) -> None:
    """pymedphys samples shells; only as their step shrinks (here a 25th of the distance) does it approach the minimum."""
    pymedphys = pytest.importorskip("pymedphys", reason="pymedphys, the independent gamma, is not installed")
    reference, evaluated = blobs(seed), blobs(seed, moved=1.7, scale=1.03)
    axes = tuple(2.5 * np.arange(n) for n in reference.gray.shape)
    theirs = pymedphys.gamma(
        axes,
        reference.gray,
        axes,
        evaluated.gray,
        3,
        2,
        lower_percent_dose_cutoff=10,
        interp_fraction=25,
        max_gamma=2,
        quiet=True,
    )
    ours = gamma(evaluated, reference).volume.array
    both = np.isfinite(ours)
    np.testing.assert_array_equal(both, np.isfinite(theirs))
    assert np.mean((ours[both] <= 1) != (theirs[both] <= 1)) <= 1e-3
    assert np.max(ours[both] - theirs[both]) < 0.02
