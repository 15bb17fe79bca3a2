"""Intervals, groups and paired tests of benchmark runs, beside what statistics says they must be."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import bootstrap

from DosePredictLib.core import InputError
from DosePredictLib.evaluation.openkbp import OAR_NAMES, Scores
from DosePredictLib.evaluation.openkbp_statistics import PatientErrors, compare, groups, intervals, statistics


def run(dose: np.ndarray, dvh: np.ndarray | None = None) -> dict:
    """Of patients with these dose errors, and DVH errors (patients, 2)."""
    dvh = np.stack([dose, dose], axis=1) if dvh is None else dvh
    return {
        "dose_error_gy": {f"pt_{n}": float(error) for n, error in enumerate(dose)},
        "patient_dvh_error_gy": {f"pt_{n}": {"PTV70 D_99": float(a), "Larynx mean": float(b)} for n, (a, b) in enumerate(dvh)},
    }


def errors(*arguments) -> PatientErrors:
    return PatientErrors.of(run(*arguments))


def test_the_scores_from_patients_are_those_of_the_benchmark():
    scores, rng, full = Scores(), np.random.default_rng(0), np.ones((4, 4, 4), bool)
    for n, names in enumerate((["PTV70"], ["PTV70", "PTV63", "Larynx"], ["PTV70", "Larynx"])):
        reference, predicted = rng.uniform(0, 70, (2, 4, 4, 4))
        masks = dict.fromkeys(names, full)
        scores.add(f"pt_{n}", reference=reference, predicted=predicted, mask=full, masks=masks, voxel_mm=(4, 4, 3))
    stored = json.loads(json.dumps(scores.to_dict()))
    assert PatientErrors.of(stored).scores == pytest.approx([scores.dose_score, scores.dvh_score])
    assert groups(stored, OAR_NAMES) == {
        "with PTV63": ["pt_1"],
        "without PTV63": ["pt_0", "pt_2"],
        "6 organs missing": ["pt_1", "pt_2"],
        "7 organs missing": ["pt_0"],
    }
    found = statistics(stored, OAR_NAMES)["groups"]["with PTV63"]
    assert found["patients"] == 1 and found["dose_score_gy"] == pytest.approx(scores.dose_errors["pt_1"])


def test_the_interval_is_that_of_scipys_bootstrap():
    dose = np.random.default_rng(1).gamma(9, 0.3, 40)
    theirs = bootstrap((dose,), np.mean, method="percentile", n_resamples=10_000, rng=2).confidence_interval
    assert intervals(errors(dose).resampled())[0] == pytest.approx([theirs.low, theirs.high], abs=0.02)


def test_a_small_but_steady_difference_between_scattered_patients_is_found():
    rng = np.random.default_rng(3)
    dose = rng.gamma(9, 0.3, 40)
    found = compare(errors(dose - 0.05 + rng.normal(0, 0.05, 40)), errors(dose))["dose"]
    assert found.patients == 40
    assert found.difference_gy == pytest.approx(-0.05, abs=0.03)
    assert found.interval_gy[0] < found.difference_gy < found.interval_gy[1] < 0
    assert found.wilcoxon_p < 0.001


def test_no_difference_is_found_where_there_is_none():
    rng = np.random.default_rng(4)
    dose = rng.gamma(9, 0.3, 40)
    found = compare(errors(dose + rng.normal(0, 0.05, 40)), errors(dose + rng.normal(0, 0.05, 40)))["dvh"]
    assert found.interval_gy[0] < 0 < found.interval_gy[1]
    assert found.wilcoxon_p > 0.05
    assert compare(errors(dose), errors(dose))["dose"].wilcoxon_p == 1


def test_only_patients_of_both_runs_are_compared_whatever_their_order():
    ours, theirs = run(np.array([1.0, 2.0, 3.0])), run(np.array([9.0, 2.5, 3.5]))
    del theirs["dose_error_gy"]["pt_0"]
    theirs["dose_error_gy"] = dict(reversed(theirs["dose_error_gy"].items()))
    found = compare(PatientErrors.of(ours), PatientErrors.of(theirs))["dose"]
    assert (found.patients, found.difference_gy) == (2, pytest.approx(-0.5))


def test_runs_that_cannot_be_compared_are_refused():
    with pytest.raises(InputError, match="single patients"):
        PatientErrors.of({"dose_error_gy": {"pt_1": 2.0}})
    with pytest.raises(InputError, match="share 1 patient"):
        compare(errors(np.array([1.0])), errors(np.array([1.0])))
