"""How sure the OpenKBP scores are, for whom they hold, and whether two models differ: everything over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from ..core import InputError

RESAMPLES = 10_000
SEED = 0
SCORES = ("dose", "dvh")


@dataclass(frozen=True, eq=False)
class PatientErrors:
    """By patient, for the dose score and the DVH score: sums and counts (patients, 2) of errors in Gy; a score is sum over count.

    A patient has one dose error, and as many DVH errors as metrics exist for his structures.
    """

    patients: tuple[str, ...]
    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, scores: Mapping[str, Any]) -> PatientErrors:
        """From ``Scores.to_dict()``, as the benchmark's JSON holds it. Raises InputError where it has no patients' values."""
        try:
            dose, dvh = scores["dose_error_gy"], scores["patient_dvh_error_gy"]
            sums = [(dose[patient], sum(dvh[patient].values())) for patient in dose]
            counts = [(1, len(dvh[patient])) for patient in dose]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError("The scores hold no values of single patients; run the benchmark again with --json.") from error
        return cls(tuple(dose), np.array(sums, float).reshape(-1, 2), np.array(counts, float).reshape(-1, 2))

    @property
    def scores(self) -> np.ndarray:
        """(2,) Gy."""
        return self.sums.sum(axis=0) / self.counts.sum(axis=0)

    @property
    def means(self) -> np.ndarray:
        """(patients, 2) Gy, NaN for a patient without structures."""
        with np.errstate(invalid="ignore"):
            return self.sums / self.counts

    def take(self, patients: Sequence[str]) -> PatientErrors:
        rows = [self.patients.index(patient) for patient in patients]
        return PatientErrors(tuple(patients), self.sums[rows], self.counts[rows])

    def resampled(self) -> np.ndarray:
        """(RESAMPLES, 2) scores of as many patients drawn with replacement; the same draws for as many patients."""
        draws = np.random.default_rng(SEED).integers(len(self.patients), size=(RESAMPLES, len(self.patients)))
        return self.sums[draws].sum(axis=1) / self.counts[draws].sum(axis=1)


def intervals(samples: np.ndarray) -> np.ndarray:
    """(2, low and high) 95 % bootstrap percentile intervals of samples (n, 2)."""
    return np.percentile(samples, [2.5, 97.5], axis=0).T


@dataclass(frozen=True)
class Difference:
    """One score of one model less that of another on the same patients, Gy; below zero is better.

    interval_gy: 95 %, bootstrap over pairs. wilcoxon_p: two-sided signed-rank test of the patients' mean errors.
    """

    patients: int
    difference_gy: float
    interval_gy: tuple[float, float]
    wilcoxon_p: float


def compare(ours: PatientErrors, theirs: PatientErrors) -> dict[str, Difference]:
    """By score, on the patients that both have. Raises InputError where these are fewer than two."""
    shared = [patient for patient in ours.patients if patient in theirs.patients]
    if len(shared) < 2:
        raise InputError(f"The two runs share {len(shared)} patient(s); a comparison needs at least two.")
    ours, theirs = ours.take(shared), theirs.take(shared)
    differences, ranges = ours.scores - theirs.scores, intervals(ours.resampled() - theirs.resampled())
    return {
        score: Difference(
            len(shared),
            float(differences[n]),
            (float(ranges[n, 0]), float(ranges[n, 1])),
            signed_rank_p(ours.means[:, n] - theirs.means[:, n]),
        )
        for n, score in enumerate(SCORES)
    }


def signed_rank_p(differences: np.ndarray) -> float:
    """Of Wilcoxon's two-sided test of paired differences; 1 where there are none."""
    differences = differences[np.isfinite(differences)]
    return float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def groups(scores: Mapping[str, Any], organs: Sequence[str]) -> dict[str, list[str]]:
    """Patients with and without the middle target, and by the number of the challenge's organs that they lack."""
    present = {patient: {name.split()[0] for name in errors} for patient, errors in scores["patient_dvh_error_gy"].items()}
    found: dict[str, list[str]] = {"with PTV63": [], "without PTV63": []}
    missing: dict[str, list[str]] = {}
    for patient, names in present.items():
        found["with PTV63" if "PTV63" in names else "without PTV63"].append(patient)
        missing.setdefault(f"{len(set(organs) - names)} organs missing", []).append(patient)
    return {name: patients for name, patients in (found | dict(sorted(missing.items()))).items() if patients}


def statistics(scores: Mapping[str, Any], organs: Sequence[str]) -> dict[str, Any]:
    """Intervals and groups, ready for JSON."""
    errors = PatientErrors.of(scores)
    ranges = intervals(errors.resampled())
    by_group = {name: (len(ids), errors.take(ids).scores) for name, ids in groups(scores, organs).items()}
    return {
        "interval_gy": {score: ranges[n].tolist() for n, score in enumerate(SCORES)},
        "groups": {
            name: {"patients": count, **{f"{score}_score_gy": float(gray[n]) for n, score in enumerate(SCORES)}}
            for name, (count, gray) in by_group.items()
        },
    }
