"""A model's card in the few words that a choice needs; whatever stands in it."""

from __future__ import annotations

import pytest

from DosePredictLib import registry
from DosePredictLib.model_card import (
    MEASURED,
    PLANNED,
    default_samples,
    fingerprint,
    is_deterministic,
    predicts,
    score,
    score_data,
    sees_ct,
)

METRICS = [
    {"data": "paper", "n": 33, "steps": 1, "dose_score_gy": 4.663, "dvh_score_gy": 2.807, "command": "dosepredict benchmark"},
    {"data": "paper", "n": 33, "steps": 8, "dose_score_gy": 5.496, "dvh_score_gy": 3.468},
]


def test_the_score_is_that_of_the_settings_taken_by_default() -> None:
    assert score({"metrics": METRICS, "default_steps": 1}) == "dose score 4.66 Gy, DVH score 2.81 Gy, n = 33"
    assert score({"metrics": METRICS, "recipe": {"steps": 8}}) == "dose score 5.5 Gy, DVH score 3.47 Gy, n = 33"
    assert score({"metrics": [{"ssim": 0.9876, "mae_percent": 0.4321}]}) == "SSIM 0.988, MAE 0.432 %"
    assert score_data({"metrics": METRICS}) == "paper"


@pytest.mark.parametrize("card", [{}, {"metrics": []}, {"metrics": ["good"]}, {"metrics": [{"n": 3, "data": "x"}]}])
def test_a_card_without_numbers_has_no_score(card) -> None:
    assert score(card) == ""


def test_a_model_predicts_the_planned_dose_unless_its_card_says_another() -> None:
    assert predicts({}) == PLANNED and sees_ct({})
    mode_a = {"predicts": MEASURED, "recipe": {"network": {"given": ["RTDose"]}}}
    mode_b = {"predicts": MEASURED, "recipe": {"network": {"given": ["RTDose", "CT"]}}}
    assert predicts(mode_a) == MEASURED and not sees_ct(mode_a) and sees_ct(mode_b)
    assert not sees_ct({"predicts": MEASURED, "recipe": {"network": 5}})


def test_only_a_model_that_answers_in_one_step_knows_no_chance() -> None:
    assert is_deterministic(registry.find("unet").card)
    assert not any(is_deterministic(registry.find(model).card) for model in ("resdose", "dosediff"))
    assert not is_deterministic({}) and not is_deterministic({"recipe": {"volumetric": True, "steps": 8}})


def test_a_model_draws_as_many_samples_as_its_card_says_and_else_one() -> None:
    assert default_samples({}) == 1 and default_samples({"default_samples": 4}) == 4
    assert default_samples({"default_samples": -3}) == 1


def test_the_fingerprint_is_of_all_that_a_prediction_depends_on() -> None:
    plain = {"weights_sha256": "ab" * 32, "title": "one"}
    together = plain | {"companions": [{"weights_sha256": "cd" * 32, "share": 0.2}]}
    drawn = plain | {"usual_targets": {"share": 0.5}}
    other = plain | {"companions": [{"weights_sha256": "cd" * 32, "share": 0.3}]}
    assert fingerprint(plain) == "ab" * 32 == fingerprint(plain | {"title": "two", "companions": []})
    assert len({fingerprint(card) for card in (plain, together, drawn, other)}) == 4
