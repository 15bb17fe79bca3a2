"""The grammar of metrics, on a histogram whose values can be read off: a uniform dose from 10 to 20 Gy in 8 cc."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import InputError
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.metrics import Metric

UNIFORM = Dvh(np.array([10.0, 20.0]), np.array([0.0, 1.0]), volume_cc=8.0, covered_mean_gy=15.0)
VALUES = {
    "D95%[Gy]": 10.5, "D2%[Gy]": 19.8, "D0.8cc[Gy]": 19.0, "D95%[%]": 52.5, "V12.5Gy[%]": 75.0, "V12.5Gy[cc]": 6.0,
    "V90%[%]": 20.0, "V90%[cc]": 1.6, "Mean[Gy]": 15.0, "Mean[%]": 75.0, "Median[Gy]": 15.0, "Min[Gy]": 10.0, "Max[Gy]": 20.0,
    "HI": (19.8 - 10.2) / 15, "Coverage[%]": 0.0, "gEUD(1)[Gy]": 15.0, "gEUD(2)[Gy]": (700 / 3) ** 0.5, "gEUD(1)[%]": 75.0,
}  # fmt: skip
BODY = Dvh(np.array([0.0, 20.0]), np.array([0.0, 1.0]), volume_cc=100.0, covered_mean_gy=10.0, coverage=0.8)
CONFORMITY = {  # prescription 16 Gy: TV 8 cc, TV_PIV 3.2 cc, PIV 16 cc, PIV50 48 cc of the 80 cc inside the dose grid
    "CI(Paddick)": 3.2**2 / (8 * 16), "CI(RTOG)": 2.0, "GI": 3.0, "R50": 6.0,
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_every_form_has_its_value(text: str) -> None:
    assert Metric.parse(text).of(UNIFORM, prescription_gy=20.0) == pytest.approx(VALUES[text], rel=1e-3)


@pytest.mark.parametrize("text", CONFORMITY)
def test_conformity_compares_the_isodose_in_the_body_with_the_target(text: str) -> None:
    metric = Metric.parse(text)
    assert metric.of(UNIFORM, prescription_gy=16.0, body=BODY) == pytest.approx(CONFORMITY[text])
    assert np.isnan(metric.of(UNIFORM, prescription_gy=16.0))
    assert metric.refusal(UNIFORM) == "no contour of the whole body"
    with pytest.raises(InputError, match="relative to a prescription"):
        metric.of(UNIFORM, body=BODY)


def test_an_isodose_that_does_not_exist_has_no_conformity() -> None:
    assert np.isnan(Metric.parse("GI").of(UNIFORM, prescription_gy=30.0, body=BODY))
    assert Metric.parse("CI(RTOG)").of(UNIFORM, prescription_gy=30.0, body=BODY) == 0


def test_the_body_changes_no_other_metric() -> None:
    assert Metric.parse("HI").of(UNIFORM, body=BODY) == Metric.parse("HI").of(UNIFORM)


def test_what_has_no_value_says_why() -> None:
    assert Metric.parse("D9cc[Gy]").refusal(UNIFORM) == "the structure has only 8 cc"
    assert "80 % of the structure lies inside the dose grid" in Metric.parse("Mean[Gy]").refusal(BODY)
    assert Metric.parse("D8cc[Gy]").refusal(UNIFORM) == ""


@pytest.mark.parametrize("a", [0.5, 8.0, 40.0, -10.0])
def test_the_equivalent_uniform_dose_of_a_uniform_distribution_is_its_closed_form(a: float) -> None:
    """(integral of D^a from 10 to 20 / 10)^(1/a), over a curve of 200 knots."""
    dose = np.linspace(10, 20, 200)
    dvh = Dvh(dose, (dose - 10) / 10, volume_cc=8.0, covered_mean_gy=15.0)
    truth = ((20 ** (a + 1) - 10 ** (a + 1)) / (a + 1) / 10) ** (1 / a)
    assert Metric.parse(f"gEUD({a:g})[Gy]").of(dvh) == pytest.approx(truth, rel=1e-5)


def test_a_target_with_a_cold_spot_has_no_equivalent_uniform_dose() -> None:
    assert Metric.parse("gEUD(-10)[Gy]").of(Dvh(np.array([0.0, 20.0]), np.array([0.0, 1.0]), 8.0, 10.0)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "D95",
        "D95%",
        "D95[Gy]",
        "V20[%]",
        "V20Gy[Gy]",
        "mean[Gy]",
        "D-5%[Gy]",
        "D95%[cc]",
        "Mean[cc]",
        "D101%[Gy]",
        "gEUD(0)[Gy]",
        "CI",
    ],
)
def test_what_the_grammar_does_not_know_is_named(text: str) -> None:
    with pytest.raises(InputError, match="is not known; write it like"):
        Metric.parse(text)


@pytest.mark.parametrize("text", ["D95%[%]", "V95%[%]", "Mean[%]"])
def test_a_relative_metric_needs_a_prescription(text: str) -> None:
    with pytest.raises(InputError, match="relative to a prescription"):
        Metric.parse(text).of(UNIFORM)
