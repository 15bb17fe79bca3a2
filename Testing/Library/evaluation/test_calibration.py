"""A bias and a spread that were put in come out again; nothing is said from too few plans."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import Case, DoseGrid, InputError
from DosePredictLib.evaluation.calibration import MetricError, calibrate, read_calibration, write_calibration
from DosePredictLib.evaluation.cohort import METRICS, CaseResult, Pair, measure
from DosePredictLib.preprocessing.rasters import rasterise_all

CARD = {"id": "tiny", "weights_sha256": "ab" * 32}


def cohort(errors: np.ndarray, planned: float = 24.0) -> list[CaseResult]:
    return [CaseResult((Pair("Parotid_L", "dmean_gy", planned + error, planned),), 3.0) for error in errors]


def test_an_injected_bias_and_spread_come_out() -> None:
    errors = np.random.default_rng(5).normal(-1.2, 2.0, 4000)
    found = calibrate(cohort(errors), CARD, steps=1, samples=1).of("Parotid_L")["dmean_gy"]
    assert found.n == 4000
    assert found.mean == pytest.approx(-1.2, abs=0.1)
    assert found.spread == pytest.approx(2.0, abs=0.1)
    assert found.half == pytest.approx(1.645 * 2.0, abs=0.15)


def test_nine_of_ten_new_plans_lie_where_they_are_expected() -> None:
    rng, held = np.random.default_rng(1), []
    for _ in range(1500):
        found = calibrate(cohort(rng.normal(2, 3, 20), 40.0), CARD, steps=1, samples=1).of("Parotid_L")["dmean_gy"]
        planned = 40.0
        expected = found.expected(planned + rng.normal(2, 3))
        held.append(expected.low <= planned <= expected.high)
    assert np.mean(held) == pytest.approx(0.90, abs=0.025)


def test_the_words_say_direction_interval_and_number() -> None:
    low = MetricError("Parotid_L", "dmean_gy", 24, -1.2, 1.7, 2.8)
    assert low.words == (
        "Parotid_L Mean is predicted 1.2 Gy too low on average, 90 % of the differences within -4.0 to +1.6 Gy (n = 24)"
    )
    assert "right on average" in replace(low, mean=0.01).words and "too high" in replace(low, mean=2.0).words
    assert low.expected(20.0).value == pytest.approx(21.2) and low.expected(1.0).low == 0


def test_a_low_prediction_is_corrected_upwards() -> None:
    expected = MetricError("Larynx", "dmean_gy", 30, -3.0, 1.0, 2.0).expected(30.0)
    assert (expected.low, expected.value, expected.high) == (31.0, 33.0, 35.0)


def test_fewer_than_twenty_plans_and_rare_structures_say_nothing() -> None:
    with pytest.raises(InputError, match="needs 20 or more of your own plans, and here are 19"):
        calibrate(cohort(np.ones(19)), CARD, steps=1, samples=1)
    rare = [CaseResult((Pair("Larynx", "dmean_gy", 30, 31),), 3.0)] * 9
    assert calibrate(cohort(np.ones(20)) + rare, CARD, steps=1, samples=1).of("Larynx") == {}


def test_it_is_kept_whole_and_fits_only_the_model_and_steps_it_was_made_with(tmp_path: Path) -> None:
    made = calibrate(cohort(np.linspace(-1, 1, 20)), CARD, steps=8, samples=2)
    write_calibration(made, tmp_path / "calibrations" / "tiny.json")
    kept = read_calibration(tmp_path / "calibrations" / "tiny.json")
    assert kept == made
    assert kept.fits(CARD, steps=8, samples=2)
    assert not kept.fits(CARD, steps=1, samples=2)
    for change in ({"weights_sha256": "cd"}, {"companions": [{"id": "unet"}]}):
        assert not kept.fits(CARD | change, steps=8, samples=2)
    assert kept.sentences(["Parotid_L", "Larynx"])[0].startswith("At your site Parotid_L Mean is predicted right on average")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "other", "errors": []}', '{"errors": [{"n": 3}]}', "\x00"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tiny.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"tiny\.json cannot be read"):
        read_calibration(path)


def test_a_case_is_measured_by_names_that_are_the_same_in_every_case(phantom_case: Case) -> None:
    assert phantom_case.reference is not None
    planned = phantom_case.reference
    hotter = DoseGrid(planned.gray * np.float32(1.1), planned.grid)
    result = measure(phantom_case, hotter, rasterise_all(phantom_case.structures, phantom_case.ct.grid).occupancies, seconds=2.5)
    structures = {pair.structure for pair in result.pairs}
    assert {"PTV_High", "PTV_Mid", "PTV_Low", "Parotid_L", "SpinalCord"} <= structures and "External" not in structures
    assert {pair.column for pair in result.pairs} == set(METRICS)
    for pair in result.pairs:
        assert pair.predicted == pytest.approx(1.1 * pair.planned, abs=1e-3)
    irradiated = planned.gray[planned.gray >= 7]
    assert result.dose_error_gy == pytest.approx(0.1 * irradiated.mean(), rel=0.02)
    assert CaseResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
