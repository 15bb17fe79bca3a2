"""The benchmark of calibration finds the scale that samples were made too narrow by, and what intervals then cover."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from DosePredictLib.evaluation.uncertainty import half_width


@pytest.fixture
def benchmark(repository, monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(repository / "Testing" / "Benchmarks"))
    import calibration

    return calibration


def ratios(benchmark: ModuleType, *, narrow: float, patients: int = 6):
    """Of plans from a normal distribution, and of 8 draws from one that is ``narrow`` times as wide."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(patients):
        draws, planned = narrow * rng.normal(size=(8, 4000)), rng.normal(size=4000)
        voxels = benchmark.ratio_to(half_width(draws), planned)
        found.append(
            benchmark.Ratios(
                voxels, {"PTV70": voxels[:100], "Larynx": voxels[100:]}, {name: [0.1, 9.0] for name in ("PTV70", "Larynx")}
            )
        )
    return found


def test_draws_as_wide_as_the_truth_need_no_scale(benchmark):
    """The interval is of one more draw around the mean; around the truth's own centre it is a little too wide."""
    found = [one.voxels for one in ratios(benchmark, narrow=1.0)]
    assert benchmark.scale_for(found) == pytest.approx(1 / np.sqrt(1 + 1 / 8), rel=0.02)


def test_draws_half_as_wide_need_twice_the_scale(benchmark):
    plain, narrow = ([one.voxels for one in ratios(benchmark, narrow=width)] for width in (1.0, 0.5))
    assert benchmark.scale_for(narrow) == pytest.approx(2 * benchmark.scale_for(plain), rel=0.02)


def test_with_the_scale_of_the_other_half_nine_of_ten_voxels_are_covered(benchmark):
    found = ratios(benchmark, narrow=0.5)
    assert benchmark.crossed(found, lambda one: one.voxels) == pytest.approx(90, abs=1)
    rows = benchmark.table(found)
    assert rows["PTV70"]["patients"] == 6 and rows["Larynx"]["criteria"] == 50


def test_criteria_of_targets_have_a_scale_of_their_own(benchmark):
    found = ratios(benchmark, narrow=0.5)
    assert benchmark.table(found)["PTV70"]["criteria"] == 100
    assert benchmark.scale_for([benchmark.target_criteria_of(one) for one in found]) == pytest.approx(9)


def test_scaled_intervals_of_every_probability_hold_what_they_promise(benchmark):
    found = ratios(benchmark, narrow=0.5)
    points = benchmark.reliability(found, benchmark.scale_for([one.voxels for one in found]), 8)
    assert all(scaled == pytest.approx(expected, abs=2) for expected, _, scaled in points)
    assert next(plain for expected, plain, _ in points if expected == 90) < 70
