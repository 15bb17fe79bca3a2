"""The trend of targets' DVHs, against least squares with rows that stand for the penalty, and what it does to a dose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from DosePredictLib.core import ModelError, Recipe
from DosePredictLib.inference.target_trend import FARTHEST, PENALTY, Trend, features_of, trend_of
from DosePredictLib.inference.usual_targets import SHARES, UsualTargets, usual_targets

RECIPE = Recipe(model="resdose", volumetric=True, dose_range=(0.0, 2.0), planning={"angles_deg": [0], "plans": [{}, {}]})
PLAN = RECIPE.channels.index("Plan 1")


def patient(plan: float, low: float = 0.8) -> tuple[torch.Tensor, torch.Tensor]:
    """Two targets; the first gets what its plan gives, and a tenth of its prescription more."""
    condition, dose = torch.full((15, 4, 8, 8), -2.0), torch.full((4, 8, 8), -0.5)
    condition[1], condition[2, :2], condition[4, 2:] = 0.0, 0.1, 0.1
    condition[1, :2], condition[1, 2:] = 1.0, low
    condition[PLAN - 1 :, :2], condition[PLAN - 1 :, 2:] = 1.0, low
    condition[PLAN, :2] = plan
    dose[:2], dose[2:] = plan + 0.1 - 1, low - 1
    return condition, dose


def test_slopes_are_those_of_least_squares_with_rows_of_the_penalty():
    rng = np.random.default_rng(0)
    features, changes = rng.normal(5, 3, (40, 6)), rng.normal(0, 1, (40, len(SHARES)))
    found = trend_of(list(features), {"PTV_High": [None, *changes[1:]]})
    standard = ((features - features.mean(0)) / features.std(0))[1:]
    rows = np.concatenate([standard, np.sqrt(PENALTY) * np.eye(6)])
    wanted = np.concatenate([changes[1:] - changes[1:].mean(0), np.zeros((6, len(SHARES)))])
    np.testing.assert_allclose(found.slopes["PTV_High"], np.linalg.lstsq(rows, wanted, rcond=None)[0], atol=1e-9)


def test_features_are_sizes_structures_and_what_plans_give_targets():
    features = features_of(patient(0.9)[0], RECIPE)
    np.testing.assert_allclose(features[:3], [np.log(128), 0, np.log(128)], rtol=1e-6)
    np.testing.assert_array_equal(features[3:13], [1, 0, 1, *[0] * 7])
    np.testing.assert_allclose(features[13:], [*[0.9] * 4, *[1] * 4, *[1] * 8, *[1] * 8], rtol=1e-6)


def test_a_target_gets_what_is_usual_for_such_a_plan():
    """500 patients weigh five times the penalty; four features say the same, so that 2000 / 2100 of the trend is found."""
    plans = 1 + 0.02 * np.random.default_rng(1).standard_normal(500)
    usual = usual_targets([patient(plan) for plan in plans], RECIPE, share=1.0)
    for plan in (0.97, 1.03):
        condition, dose = patient(plan)
        drawn = usual.joined(torch.full_like(dose, 0.0), condition, RECIPE) + 1
        assert float(drawn[:2].mean()) == pytest.approx(1.1 + (plan - 1) * 2000 / 2100, abs=3e-3)
        assert float(drawn[2:].mean()) == pytest.approx(0.8, abs=1e-3)


def test_a_patient_beyond_all_others_is_taken_for_the_farthest():
    trend = Trend(np.zeros(1), np.ones(1), {"PTV_High": np.ones((1, 2))})
    assert trend.change("PTV_High", np.array([50.0])) == pytest.approx([FARTHEST, FARTHEST])
    assert trend.change("PTV_Low", np.array([50.0])) == 0
    with pytest.raises(ModelError, match="of another recipe"):
        trend.change("PTV_High", np.zeros(2))


def test_a_dvh_stays_one():
    slopes = {"PTV_High": -np.arange(float(len(SHARES)))[None]}
    usual = UsualTargets({"PTV_High": np.ones(len(SHARES))}, 1.0, Trend(np.zeros(1), np.ones(1), slopes))
    expected = usual._expected("PTV_High", np.array([1.0]))
    assert (expected >= 0).all() and (np.diff(expected) >= 0).all()


def test_a_card_keeps_it():
    usual = usual_targets([patient(plan) for plan in (0.95, 1.0, 1.02)], RECIPE, share=0.5)
    again = UsualTargets.of({"id": "one", "usual_targets": usual.in_card})
    condition, dose = patient(0.99)
    torch.testing.assert_close(again.joined(dose, condition, RECIPE), usual.joined(dose, condition, RECIPE), atol=1e-3, rtol=0)


FLAT = {"PTV_High": [1.0] * len(SHARES)}
SLOPES = {"PTV_High": [[0.0] * len(SHARES)]}


@pytest.mark.parametrize(
    "odd",
    [
        {"mean": [0], "deviation": [1]},
        {"mean": [0], "deviation": [0], "slopes": SLOPES},
        {"mean": [0], "deviation": [1, 1], "slopes": SLOPES},
        {"mean": [0, 0], "deviation": [1, 1], "slopes": SLOPES},
        {"mean": [float("nan")], "deviation": [1], "slopes": SLOPES},
        {"mean": [0], "deviation": [1], "slopes": {"PTV_Low": SLOPES["PTV_High"]}},
        {"mean": [0], "deviation": [1], "slopes": {"PTV_High": [["steep"] * len(SHARES)]}},
        [1, 2],
    ],
)
def test_an_odd_trend_in_the_card_is_refused(odd: Any):
    with pytest.raises(ModelError, match="odd value for usual_targets"):
        UsualTargets.of({"id": "one", "usual_targets": {"share": 0.5, "dvh": FLAT, "trend": odd}})
