"""Table 2's measures on doses whose difference is known."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, GeometryError, Grid, InputError
from DosePredictLib.evaluation.measured_dose import Agreement, agreement, identity_baseline, summary

GRID = Grid((20, 18, 16), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))


def half_irradiated() -> np.ndarray:
    gray = np.zeros(GRID.shape)
    gray[:, :, 10:] = 50.0
    return gray


def test_a_dose_agrees_with_itself():
    found = agreement(DoseGrid(half_irradiated(), GRID), DoseGrid(half_irradiated(), GRID))
    assert (found.rmse_percent, found.mae_percent) == (0.0, 0.0)
    assert found.ssim == pytest.approx(1.0)


def test_errors_are_a_share_of_the_highest_measured_dose_over_what_is_irradiated():
    predicted = half_irradiated()
    predicted[:, :, 10:15] += 1.0  # 2 % in half of the irradiated voxels
    found = agreement(DoseGrid(predicted, GRID), DoseGrid(half_irradiated(), GRID))
    assert found.mae_percent == pytest.approx(1.0)
    assert found.rmse_percent == pytest.approx(2.0 / 2**0.5)
    assert 0.9 < found.ssim < 1.0


def test_the_identity_baseline_is_the_planned_dose_as_prediction():
    planned, measured = DoseGrid(1.02 * half_irradiated(), GRID), DoseGrid(half_irradiated(), GRID)
    assert identity_baseline(planned, measured).mae_percent == pytest.approx(2.0)


def test_patients_are_summed_up_as_mean_and_standard_deviation():
    rows = [Agreement(0.9, 2.0, 1.0), Agreement(1.0, 4.0, 1.0)]
    found = summary(rows)
    assert found["ssim"] == pytest.approx((0.95, 0.0707), abs=1e-4)
    assert found["rmse_percent"] == pytest.approx((3.0, 2**0.5))
    assert found["mae_percent"] == pytest.approx((1.0, 0.0))


def test_a_prediction_that_does_not_cover_the_measurement_is_refused():
    small = Grid((10, 18, 16), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="cover"):
        agreement(DoseGrid(np.ones(small.shape), small), DoseGrid(half_irradiated(), GRID))


def test_a_measurement_without_dose_is_refused():
    with pytest.raises(InputError, match="zero everywhere"):
        agreement(DoseGrid(half_irradiated(), GRID), DoseGrid(np.zeros(GRID.shape), GRID))
