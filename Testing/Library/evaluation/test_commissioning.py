"""Distributions, outliers and the page of a cohort whose errors are known."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from DosePredictLib.core import InputError
from DosePredictLib.evaluation.cohort import CaseResult, Pair
from DosePredictLib.evaluation.commissioning import Commissioning, cases_csv
from DosePredictLib.evaluation.commissioning_page import page

CARD = {"id": "tiny", "version": "0", "title": "Tiny <model>", "weights_sha256": "ab" * 32}
REQUEST = {"steps": 1, "samples": 1, "seed": 0, "device": "cpu"}


def result(number: int, *, parotid: float, domain: str = "inside") -> CaseResult:
    pairs = (
        Pair("PTV_High", "d95_gy", 68.0, 70.0),
        Pair("Parotid_L", "dmean_gy", 26.0 + parotid, 26.0),
        Pair("Parotid_L", "d98_gy", 5.0, 5.0),
    )
    return CaseResult(pairs, 2.0 + 0.1 * number, domain, 1.5)


@pytest.fixture
def found() -> Commissioning:
    """Twelve cases within half a gray, and one nine gray off."""
    results = {f"case {n}": result(n, parotid=float(np.sin(n)) / 2) for n in range(1, 13)}
    results["case 13"] = result(13, parotid=9.0, domain="unusual")
    return Commissioning(results, {"case 14": "it has no planned dose to compare with"}, CARD, REQUEST)


def test_the_one_case_that_is_off_is_named(found: Commissioning) -> None:
    assert found.outliers == {"case 13": ["Parotid_L Mean +9.0 Gy"]}


def test_quartiles_of_few_cases_name_no_outlier() -> None:
    few = Commissioning({f"case {n}": result(n, parotid=9.0 * (n == 1)) for n in range(1, 6)}, {}, CARD, REQUEST)
    assert few.outliers == {}


def test_scores_and_distributions_are_those_of_the_cases(found: Commissioning) -> None:
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["dose_error_gy"] == pytest.approx(2.0 + 0.1 * 7)
    target = next(entry for entry in content["metrics"] if entry["structure"] == "PTV_High")
    assert (target["n"], target["mean"], target["spread"]) == (13, pytest.approx(-2.0), pytest.approx(0, abs=1e-9))
    assert content["cases"]["case 13"]["domain"] == "unusual" and content["skipped"]["case 14"]


def test_of_two_targets_of_one_level_the_one_that_errs_most_counts() -> None:
    pairs = (Pair("PTV_High", "dmean_gy", 71, 70), Pair("PTV_High", "dmean_gy", 67, 70), Pair("PTV_High", "dmean_gy", 70, 70))
    one = Commissioning({"case 1": CaseResult(pairs, 1.0)}, {}, CARD, REQUEST)
    assert one.distributions[0].errors == {"case 1": -3.0}


def test_the_page_needs_nothing_else_and_shows_scores_outliers_and_what_was_skipped(found: Commissioning) -> None:
    text = page(found).replace("&nbsp;", " ")
    assert "Commissioning of Tiny &lt;model&gt;" in text and "13 cases" in text
    assert "case 13: Parotid_L Mean +9.0 Gy" in text and "no planned dose" in text and "2.70 ± 0.39 Gy" in text
    assert 'src="data:image/svg+xml;base64,' in text and "http" not in text.split("<body>")[1].replace("data:", "")
    assert "$" not in text and "Not for treatment" in text


def test_the_table_has_a_line_for_each_metric_of_each_case(found: Commissioning) -> None:
    rows = list(csv.DictReader(io.StringIO(cases_csv(found))))
    assert len(rows) == 13 * 3
    assert rows[-2] == {
        "Case": "case 13", "Structure": "Parotid_L", "Metric": "Mean", "Predicted (Gy)": "35.000", "Planned (Gy)": "26.000",
        "Difference (Gy)": "9.000",
    }  # fmt: skip


def test_a_cohort_without_a_usable_case_is_refused_with_the_first_reason() -> None:
    with pytest.raises(InputError, match=r"No case could be used.*case 1: it has no planned dose"):
        Commissioning({}, {"case 1": "it has no planned dose"}, CARD, REQUEST)
