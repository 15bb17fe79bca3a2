"""Dose differences of known size, and doses that cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, GeometryError, Grid, InputError
from DosePredictLib.evaluation.difference import (
    check_units,
    difference,
    errors,
    is_notable,
    peak_signal_to_noise_db,
    structural_similarity,
)

GRID = Grid((10, 10, 10), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))


def flat(gray: float, grid: Grid = GRID) -> DoseGrid:
    return DoseGrid(np.full(grid.shape, gray), grid)


def test_errors_over_a_mask_are_those_of_its_voxels() -> None:
    predicted = flat(50.0)
    predicted.gray[0] = 47.0
    change = difference(predicted, flat(50.0))
    mask = np.zeros(GRID.shape, bool)
    mask[:4] = True
    found = errors(change, mask, described="four slices")
    assert (found.mask, found.voxels) == ("four slices", 400)
    assert found.mean_gy == pytest.approx(-0.75)
    assert found.mean_absolute_gy == pytest.approx(0.75)
    assert found.root_mean_square_gy == pytest.approx(1.5)
    assert found.largest_gy == pytest.approx(-3.0)


def test_a_prediction_on_another_grid_is_interpolated_onto_the_reference(linear_dose) -> None:
    change = difference(linear_dose((0.3, 0, 0.1), spacing=1.9), linear_dose((0.3, 0, 0.1), spacing=3.0, half_mm=30))
    assert np.abs(change.array).max() < 1e-4


def test_voxels_without_prediction_are_not_numbers() -> None:
    smaller = flat(50.0, Grid((5, 10, 10), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)))
    change = difference(smaller, flat(49.0))
    assert np.isnan(change.array[..., 5:]).all()
    np.testing.assert_allclose(change.array[..., :5], 1.0)


def test_doses_that_do_not_overlap_are_refused() -> None:
    with pytest.raises(GeometryError, match="do not overlap"):
        difference(flat(50.0, Grid((3, 3, 3), (1.0, 1.0, 1.0), (500.0, 0.0, 0.0))), flat(50.0))


@pytest.mark.parametrize(("predicted", "reference"), [(70.0, 7000.0), (7350.0, 70.0)])
def test_a_dose_in_centigray_is_noticed(predicted: float, reference: float) -> None:
    with pytest.raises(InputError, match="cGy"):
        check_units(flat(predicted), flat(reference))


@pytest.mark.parametrize(("predicted", "reference"), [(70.0, 60.0), (2.0, 60.0), (0.0, 60.0)])
def test_doses_of_other_ratios_are_compared(predicted: float, reference: float) -> None:
    check_units(flat(predicted), flat(reference))


def test_two_gray_or_three_percent_are_worth_a_look() -> None:
    assert is_notable(-2.0, "Gy") and is_notable(3.0, "%")
    assert not is_notable(1.99, "Gy") and not is_notable(-2.9, "%")
    assert not is_notable(None, "Gy") and not is_notable(float("nan"), "Gy")


def test_noise_of_a_hundredth_of_the_maximum_is_forty_decibels() -> None:
    found = errors(difference(flat(50.5), flat(50.0)), np.ones(GRID.shape, bool), described="all")
    assert peak_signal_to_noise_db(found, flat(50.0)) == pytest.approx(40)


def test_similarity_of_uniform_doses_is_the_luminance_term_alone() -> None:
    mask = np.ones(GRID.shape, bool)
    c = (0.01 * 50) ** 2
    assert structural_similarity(flat(50.0), flat(50.0), mask) == pytest.approx(1)
    assert structural_similarity(flat(40.0), flat(50.0), mask) == pytest.approx((2 * 2000 + c) / (1600 + 2500 + c))
    assert np.isnan(structural_similarity(flat(40.0), flat(50.0), ~mask))


def test_similarity_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image, the independent similarity, is not installed")
    rng = np.random.default_rng(0)
    grid = Grid((24, 22, 20), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    one, other = (DoseGrid(50 * rng.random(grid.shape), grid) for _ in range(2))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": one.gray.max()}
    theirs = metrics.structural_similarity(one.gray, other.gray, full=True, **options)[1]
    mask = np.zeros(grid.shape, bool)
    mask[3:-4, 5:-2, 4:-4] = True
    assert structural_similarity(other, one, mask) == pytest.approx(theirs[mask].mean(), abs=1e-6)
