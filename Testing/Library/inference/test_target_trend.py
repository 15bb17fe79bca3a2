"""The trend of targets' DVHs, against the condition that its minimum must meet, and what it does to a dose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from DosePredictLib.core import ModelError, Recipe
from DosePredictLib.inference.target_trend import LEVELS, PENALTY, Trend, features_of, likeness, robust_fit, trend_of
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


def a_hundred_patients() -> tuple[np.ndarray, np.ndarray]:
    """The kernel between them, and values that follow the first of their features, noise beside."""
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (100, 3))
    return likeness(features, features), np.sin(features[:, 0]) + rng.normal(0, 0.2, 100)


def test_likeness_is_gaussian_in_the_mean_squared_difference():
    some, others = np.zeros((1, 4)), np.array([[0, 0, 0, 0], [1, 1, 1, 1], [2, 0, 0, 0.0]])
    np.testing.assert_allclose(likeness(some, others), [[1, np.exp(-0.5), np.exp(-0.5)]])


def test_the_fit_is_where_the_cost_has_no_slope():
    """d/dw of sum(trust * left^2) + PENALTY * w'Kw: trust * left = PENALTY * w; by the constant: sum(trust * left) = 0."""
    kernel, values = a_hundred_patients()
    weights, constant = robust_fit(kernel, values)
    left = values - kernel @ weights - constant
    trust = 1 / np.maximum(np.abs(left), np.median(np.abs(left)))
    np.testing.assert_allclose(trust / trust.mean() * left, PENALTY * weights, atol=2e-3)
    assert abs(np.average(left, weights=trust)) < 1e-3


def test_some_patients_far_off_do_not_bend_it():
    kernel, values = a_hundred_patients()
    weights, constant = robust_fit(kernel, values)
    spoilt = values.copy()
    spoilt[::12] -= 20
    robust, moved = robust_fit(kernel, spoilt)
    ridge = np.linalg.solve(kernel + PENALTY * np.eye(100), spoilt - spoilt.mean())
    by_robust = np.abs(kernel @ robust + moved - kernel @ weights - constant)
    by_ridge = np.abs(kernel @ ridge + spoilt.mean() - kernel @ weights - constant)
    assert np.median(by_robust) < 0.25 and np.median(by_robust) < 0.25 * np.median(by_ridge)


def test_patients_without_a_target_say_nothing_of_it():
    rng = np.random.default_rng(0)
    features, changes = rng.normal(5, 3, (40, 6)), rng.normal(0, 1, (40, len(SHARES)))
    found, _ = trend_of(list(features), {"PTV_High": [None, *changes[1:]]})
    assert not found.weights["PTV_High"][0].any() and found.weights["PTV_High"][1:].all()


def test_features_are_sizes_structures_and_what_plans_give_targets():
    features = features_of(patient(0.9)[0], RECIPE)
    np.testing.assert_allclose(features[:3], [np.log(128), 0, np.log(128)], rtol=1e-6)
    np.testing.assert_array_equal(features[3:13], [1, 0, 1, *[0] * 7])
    np.testing.assert_allclose(features[13:], [*[0.9] * len(LEVELS), *[1] * 5 * len(LEVELS)], rtol=1e-6)


def test_a_target_gets_what_is_usual_for_such_a_plan():
    """All but what the penalty takes from the trend, more where fewer patients are."""
    plans = 1 + 0.02 * np.random.default_rng(1).standard_normal(100)
    usual = usual_targets([patient(plan) for plan in plans], RECIPE, share=1.0)
    for plan in (0.97, 1.03):
        condition, dose = patient(plan)
        drawn = usual.joined(torch.full_like(dose, 0.0), condition, RECIPE) + 1
        assert float(drawn[:2].mean()) - 1.1 == pytest.approx(plan - 1, rel=0.2)
        assert float(drawn[2:].mean()) == pytest.approx(0.8, abs=1e-3)


def test_a_patient_unlike_all_others_gets_what_is_usual():
    trend = Trend(np.zeros(4), np.ones(4), np.zeros((1, 4)), {"PTV_High": np.ones((1, 2))})
    assert trend.change("PTV_High", np.zeros(4)) == pytest.approx([1, 1])
    assert trend.change("PTV_High", np.full(4, 50.0)) == pytest.approx([np.exp(-4.5)] * 2)
    assert trend.change("PTV_Low", np.full(4, 50.0)) == 0
    with pytest.raises(ModelError, match="of another recipe"):
        trend.change("PTV_High", np.zeros(2))


def test_a_dvh_stays_one():
    weights = {"PTV_High": -np.arange(float(len(SHARES)))[None]}
    usual = UsualTargets({"PTV_High": np.ones(len(SHARES))}, 1.0, Trend(np.zeros(1), np.ones(1), np.ones((1, 1)), weights))
    expected = usual.expected("PTV_High", np.array([1.0]))
    assert (expected >= 0).all() and (np.diff(expected) >= 0).all()


def test_a_card_keeps_it():
    usual = usual_targets([patient(plan) for plan in (0.95, 1.0, 1.02)], RECIPE, share=0.5)
    again = UsualTargets.of({"id": "one", "usual_targets": usual.in_card})
    condition, dose = patient(0.99)
    torch.testing.assert_close(again.joined(dose, condition, RECIPE), usual.joined(dose, condition, RECIPE), atol=1e-3, rtol=0)


FLAT = {"PTV_High": [1.0] * len(SHARES)}
WEIGHTS = {"PTV_High": [[0.0] * len(SHARES)]}
SOUND = {"mean": [0], "deviation": [1], "patients": [[0]], "weights": WEIGHTS}


def card_with(trend: Any) -> dict[str, Any]:
    return {"id": "one", "usual_targets": {"share": 0.5, "dvh": FLAT, "trend": trend}}


@pytest.mark.parametrize(
    "odd",
    [
        {"mean": [0], "deviation": [1], "slopes": WEIGHTS},
        SOUND | {"deviation": [0]},
        SOUND | {"deviation": [1, 1]},
        SOUND | {"mean": [0, 0]},
        SOUND | {"mean": [float("nan")]},
        SOUND | {"patients": [[0], [0]]},
        SOUND | {"patients": [[0, 0]]},
        SOUND | {"patients": 0},
        SOUND | {"patients": [0]},
        SOUND | {"mean": 0, "deviation": 1},
        SOUND | {"weights": {"PTV_High": 0}},
        SOUND | {"patients": [[float("inf")]]},
        SOUND | {"weights": {"PTV_Low": WEIGHTS["PTV_High"]}},
        SOUND | {"weights": {"PTV_High": [["heavy"] * len(SHARES)]}},
        [1, 2],
    ],
)
def test_an_odd_trend_in_the_card_is_refused(odd: Any):
    assert UsualTargets.of(card_with(SOUND)) is not None
    with pytest.raises(ModelError, match="odd value for usual_targets"):
        UsualTargets.of(card_with(odd))
