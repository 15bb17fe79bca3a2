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
    "HI": (19.8 - 10.2) / 15,
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_every_form_has_its_value(text: str) -> None:
    assert Metric.parse(text).of(UNIFORM, prescription_gy=20.0) == pytest.approx(VALUES[text])


@pytest.mark.parametrize(
    "text", ["", "D95", "D95%", "D95[Gy]", "V20[%]", "V20Gy[Gy]", "mean[Gy]", "D-5%[Gy]", "D95%[cc]", "Mean[cc]"]
)
def test_what_the_grammar_does_not_know_is_named(text: str) -> None:
    with pytest.raises(InputError, match="is not known; write it like"):
        Metric.parse(text)


@pytest.mark.parametrize("text", ["D95%[%]", "V95%[%]", "Mean[%]"])
def test_a_relative_metric_needs_a_prescription(text: str) -> None:
    with pytest.raises(InputError, match="relative to a prescription"):
        Metric.parse(text).of(UNIFORM)
