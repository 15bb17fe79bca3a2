"""Intervals against the distributions they were drawn from, bands against curves known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid, InputError, Volume
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.metrics import Metric
from DosePredictLib.evaluation.report_uncertainty import uncertainty_of
from DosePredictLib.evaluation.structure_metrics import StructureRow
from DosePredictLib.evaluation.uncertainty import (
    BAND_PERCENT,
    SpreadScale,
    band_around,
    dvh_band,
    half_width,
    interval,
    metric_interval,
    student,
)


def uniform(low: float, high: float) -> Dvh:
    return Dvh(np.array([low, high]), np.array([0.0, 1.0]), volume_cc=10.0, covered_mean_gy=(low + high) / 2)


@pytest.mark.parametrize(("freedom", "tabled"), [(1, 6.314), (10, 1.812), (11, 1.796), (19, 1.729), (30, 1.697), (10**6, 1.645)])
def test_quantiles_are_those_of_the_tables(freedom: int, tabled: float) -> None:
    assert student(freedom) == pytest.approx(tabled, abs=1.5e-3)


@pytest.mark.parametrize("count", [2, 4, 20])
def test_nine_of_ten_further_draws_lie_in_the_interval(count: int) -> None:
    rng = np.random.default_rng(count)
    values, another = rng.normal(30, 2, (count, 40_000)), rng.normal(30, 2, 40_000)
    assert np.mean(np.abs(another - values.mean(0)) <= half_width(values)) == pytest.approx(0.90, abs=0.006)


def test_one_sample_has_no_interval_and_a_scale_widens_it() -> None:
    assert np.isnan(interval([20.0]).low)
    narrow, wide = interval([20.0, 22.0, 24.0]), interval([20.0, 22.0, 24.0], scale=1.5)
    assert narrow.value == 22 and wide.high - 22 == pytest.approx(1.5 * (narrow.high - 22))
    assert narrow.words() == f"22.0 Gy, 90 % interval {narrow.low:.1f} to {narrow.high:.1f}"


def test_a_metric_is_bounded_around_its_value_in_the_mean_dose_and_never_below_zero() -> None:
    found = metric_interval(Metric.parse("Mean[Gy]"), uniform(0, 2), [uniform(0, 1), uniform(0, 3)])
    assert found.value == 1 and found.low == 0
    assert found.high == pytest.approx(1 + 6.314 * np.sqrt(0.5) * np.sqrt(1.5))


def test_a_band_is_as_wide_as_the_samples_lie_apart_at_each_volume() -> None:
    samples = [uniform(10 - shift, 40 + shift) for shift in (-1, 0, 1)]
    band = dvh_band(uniform(10, 40), samples)
    middle, hottest = band.percent == 50, band.percent == 0
    assert band.high_gy[middle] == pytest.approx(25) == band.low_gy[middle]
    assert band.high_gy[hottest] == pytest.approx(40 + 2.920 * 1 * np.sqrt(4 / 3), abs=1e-3)
    assert (np.diff(band.low_gy) <= 0).all() and (np.diff(band.high_gy) <= 0).all()
    with pytest.raises(InputError, match="--samples"):
        dvh_band(uniform(10, 40), samples[:1])


def test_a_band_around_a_curve_is_moved_and_widened_at_each_volume() -> None:
    shift, half = np.full(BAND_PERCENT.shape, -2.0), np.linspace(1, 3, len(BAND_PERCENT))
    band = band_around(uniform(10, 40), shift=shift, half=half)
    assert band.low_gy[100] == pytest.approx(25 - 2 - 2) and band.high_gy[100] == pytest.approx(25 - 2 + 2)
    assert band.high_gy[0] == pytest.approx(40 - 2 + 1, abs=0.05)


def test_the_words_say_whether_the_spread_is_calibrated() -> None:
    assert "not calibrated" in SpreadScale.of({}).words and SpreadScale.of({}).factor == 1
    card = {"calibration": {"spread_scale": 1.7, "coverage_90": 0.91, "data": "OpenKBP validation", "n": 33}}
    found = SpreadScale.of(card)
    assert found.factor == 1.7 and "33 patients" in found.words and "91 %" in found.words


def test_targets_may_have_a_factor_of_their_own() -> None:
    card = {"calibration": {"spread_scale": 1.7}}
    assert SpreadScale.of(card).targets == 1.7 and SpreadScale.of({}).targets == 1
    card["calibration"]["spread_scale_targets"] = 4.0
    assert SpreadScale.of(card).targets == 4 and "1.7, of targets 4" in SpreadScale.of(card).words


def test_the_interval_of_a_target_is_widened_by_the_factor_of_targets() -> None:
    grid = Grid((10, 10, 10), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    occupancy = Volume(np.ones(grid.shape), grid)
    samples = [DoseGrid(np.full(grid.shape, dose), grid) for dose in (19.0, 20.0, 21.0)]
    rows = [
        StructureRow("PTV_High", "T", Dvh.of(samples[1], occupancy), prescription_gy=20.0),
        StructureRow("Larynx", "O", Dvh.of(samples[1], occupancy)),
    ]
    card = {"calibration": {"spread_scale": 1.0, "spread_scale_targets": 3.0}}
    found = uncertainty_of(rows, Volume(np.ones(grid.shape), grid), samples, {"T": occupancy, "O": occupancy}, card)
    assert found.width("T", "dmean_gy") == pytest.approx(3 * found.width("O", "dmean_gy"), rel=1e-3)
    assert found.width("O", "dmean_gy") > 1
