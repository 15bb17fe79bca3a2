"""What the benchmark prints of its scores, and what it takes to compare with."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.cli.benchmark import comparison, read_run, summary, without_ct
from DosePredictLib.core import InputError
from DosePredictLib.evaluation.openkbp import OAR_NAMES
from DosePredictLib.evaluation.openkbp_statistics import PatientErrors, statistics


def result(dose: np.ndarray) -> dict:
    scores = {
        "dose_error_gy": {f"pt_{n}": float(error) for n, error in enumerate(dose)},
        "patient_dvh_error_gy": {f"pt_{n}": {"PTV70 D_99": float(error) / 2} for n, error in enumerate(dose)},
    }
    dose_score, dvh_score = PatientErrors.of(scores).scores
    return {
        "model": {"id": "c3d", "version": "0.1", "weights_sha256": "0" * 64},
        "request": {"steps": 1, "samples": 1, "seed": 0, "device": "cpu"},
        "seconds_per_patient": 1.0,
        "without_ct": ["pt_0", "pt_3"],
        "patients": len(dose),
        "dose_score_gy": dose_score,
        "dvh_score_gy": dvh_score,
        **scores,
        **statistics(scores, OAR_NAMES),
    }


def test_scores_come_with_interval_groups_and_comparison():
    better, worse = result(np.full(12, 2.0)), result(np.full(12, 3.0))
    better["comparison"] = comparison(better, worse)
    text = summary(better)
    assert "dose score  2.0000 Gy   95 % 2.00 ... 2.00 Gy" in text
    assert "patients    12, 2 of them without a CT, as bodies of water" in text
    assert "without PTV63      n =  12   dose 2.00 Gy   DVH 1.00 Gy" in text
    assert "7 organs missing   n =  12" in text
    assert "less c3d 0.1, 12 patients; below zero is better" in text
    assert "DVH   -0.500 Gy   95 % -0.500 ... -0.500 Gy   Wilcoxon p = 0.00049" in text  # 2 / 2 ** 12


def test_an_estimate_made_without_sampling_is_scored_beside_the_dose():
    both = result(np.full(12, 2.0)) | {"estimate": result(np.full(12, 1.5))}
    assert "structure encoder's own estimate, without sampling\n  dose      1.5000 Gy   95 % 1.50" in summary(both)
    assert "estimate" not in summary(result(np.full(12, 2.0)))


def test_a_file_that_is_no_run_is_refused_by_name(tmp_path):
    for text in ("no", "[]"):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(InputError, match=r"other\.json"):
            read_run(tmp_path / "other.json")


def test_patients_without_ct_are_named_before_any_is_predicted(tmp_path):
    folders = [tmp_path / f"pt_{number}" for number in (201, 205, 217)]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "ct.csv").write_text(",data\n")
    assert without_ct(folders, allowed=True) == ["pt_205", "pt_217"]
    with pytest.raises(InputError, match=r"2 of 3 patients have no ct\.csv \(pt_205, pt_217\); .* --without-ct"):
        without_ct(folders, allowed=False)
