"""Targets' doses drawn towards the usual ones, against numpy's quantiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from DosePredictLib.core import Case, ModelError, Recipe
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.inference.usual_targets import SHARES, UsualTargets, drawn_to_usual, usual_dvh, usual_targets
from DosePredictLib.models import build

RECIPE = Recipe(model="unet", volumetric=True, dose_range=(0.0, 2.0))
HIGH, LOW = 2, 4  # channels of their distance maps


def patient(seed: int, low: float = 0.8) -> tuple[torch.Tensor, torch.Tensor]:
    """A high target in the first slices, one of a share ``low`` in the next; a third level is missing. Doses of their own."""
    rng = np.random.default_rng(seed)
    condition, dose = torch.full((12, 6, 8, 8), -2.0), torch.from_numpy(rng.normal(-0.2, 0.05, (6, 8, 8)).astype(np.float32))
    condition[1], condition[HIGH, :2], condition[LOW, 2:4] = 0.0, 0.1, 0.1
    condition[1, :2], condition[1, 2:4] = 1.0, low
    dose[:2] += 0.2 + 0.01 * seed
    return condition, dose


def test_the_usual_dvh_is_the_median_of_the_patients():
    curves = [np.quantile(np.random.default_rng(seed).normal(70 + seed, 1, 50 + seed), SHARES) for seed in range(5)]
    np.testing.assert_allclose(usual_dvh([*curves, None]), np.median(curves, axis=0), atol=1e-5)
    assert usual_dvh([None]) is None


def test_a_target_gets_the_usual_dvh_and_keeps_its_order():
    dose = torch.from_numpy(np.random.default_rng(0).normal(68, 3, (4, 6, 5)))
    target, usual = dose > 66, np.interp(SHARES, [0, 1], [66, 74])
    whole = drawn_to_usual(dose, target, usual, 1.0)
    np.testing.assert_allclose(np.quantile(whole[target], SHARES), usual, atol=0.01)
    assert whole[target].min() == 66 and whole[target].max() == 74
    assert torch.equal(whole[target].argsort(), dose[target].argsort())
    assert torch.equal(whole[~target], dose[~target])
    torch.testing.assert_close(drawn_to_usual(dose, target, usual, 0.5), (dose + whole) / 2)


def test_each_target_gets_what_is_usual_for_its_own_prescription():
    found = usual_targets([patient(seed) for seed in range(3)], RECIPE, share=1.0)
    assert set(found.dvh) == {"PTV_High", "PTV_Low"}
    condition, dose = patient(7, low=0.6)
    drawn = found.joined(dose, condition, RECIPE) + 1  # shares of the highest prescription
    high, low = (patient(1)[1][part] + 1 for part in (slice(0, 2), slice(2, 4)))  # the middle one of three
    np.testing.assert_allclose(np.quantile(drawn[:2], [0.1, 0.5, 0.9]), np.quantile(high, [0.1, 0.5, 0.9]), atol=0.02)
    assert float(drawn[2:4].median()) == pytest.approx(float(low.median()) * 0.6 / 0.8, rel=0.02)
    assert torch.equal(drawn[4:], dose[4:] + 1)
    assert torch.equal(UsualTargets(found.dvh, 0.0).joined(dose, condition, RECIPE), dose)


def test_a_card_keeps_them():
    found = usual_targets([patient(seed) for seed in range(3)], RECIPE, share=0.5)
    again = UsualTargets.of({"id": "one", "usual_targets": found.in_card})
    assert again is not None and again.share == 0.5
    np.testing.assert_allclose(again.dvh["PTV_Low"], found.dvh["PTV_Low"], atol=1e-4)
    assert UsualTargets.of({"id": "one"}) is None


FLAT = [1.0] * len(SHARES)


@pytest.mark.parametrize(
    "odd",
    [
        {"share": 0.5},
        {"share": 2, "dvh": {"PTV_High": FLAT}},
        {"share": "half", "dvh": {"PTV_High": FLAT}},
        {"share": 0.5, "dvh": {"PTV_High": FLAT[:-1]}},
        {"share": 0.5, "dvh": {"PTV_High": [1.0, 0.9, *FLAT[2:]]}},
        {"share": 0.5, "dvh": {"PTV_High": [float("nan")] * len(SHARES)}},
        {"share": 0.5, "dvh": {"PTV70": FLAT}},
        {"share": 0.5, "dvh": [FLAT]},
    ],
)
def test_an_odd_value_in_the_card_is_refused(odd: dict[str, Any]):
    with pytest.raises(ModelError, match="odd value for usual_targets"):
        UsualTargets.of({"id": "one", "usual_targets": odd})


def test_a_prediction_is_drawn_to_them(phantom_case: Case):
    recipe = replace(RECIPE, network={"channels": 12, "widths": (8, 8)}, spacing_mm=(8.0, 8.0, 6.0))
    network, card = build("unet", recipe.network).eval(), {"id": "unet"}  # untrained: it answers with no dose at all
    usual = UsualTargets({"PTV_High": np.ones(len(SHARES), np.float32)}, 0.5)
    found = [
        Predictor(network, recipe, card, torch.device("cpu"), usual_targets=one).predict(phantom_case).dose.gray
        for one in (None, usual)
    ]
    highest = phantom_case.prescription.highest_gy
    assert found[0].max() == 0 and set(np.unique(found[1].round(3))) == {0.0, np.float32(highest / 2)}
