"""How near predicted measured doses come to measured ones over many plans, beside the planned dose taken for measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ..core import DoseGrid
from .gamma import gamma
from .measured_dose import agreement
from .openkbp_statistics import RESAMPLES, SEED, signed_rank_p

CRITERIA = {"gamma_3_2_percent": (3.0, 2.0), "gamma_2_2_percent": (2.0, 2.0)}  # percent and mm; global, above 10 % (TG-218)
Scores = dict[str, float]
"""Of one plan: ssim, rmse_percent and mae_percent as in DMTP's Table 2, and points that pass gamma."""


def scores_of(predicted: DoseGrid, measured: DoseGrid) -> Scores:
    """gamma: at the measured points, searched in the predicted dose."""
    passed = {
        name: gamma(predicted, measured, dose_percent=percent, distance_mm=mm).percent_within
        for name, (percent, mm) in CRITERIA.items()
    }
    return {**asdict(agreement(predicted, measured)), **passed}


@dataclass(frozen=True)
class Summary:
    """One measure over plans. model, identity: mean and 95 % interval of the mean (bootstrap over plans); identity is the planned
    dose taken for measured. wilcoxon_p: two-sided, of the paired differences.
    """

    model: tuple[float, float, float]
    identity: tuple[float, float, float]
    wilcoxon_p: float


def summaries(model: Mapping[str, Scores], identity: Mapping[str, Scores]) -> dict[str, Summary]:
    """By measure, of the scores of each plan."""
    found = {}
    for measure in next(iter(model.values())):
        ours, planned = (np.array([scores[plan][measure] for plan in model]) for scores in (model, identity))
        found[measure] = Summary(_mean(ours), _mean(planned), signed_rank_p(ours - planned))
    return found


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    draws = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), (2.5, 97.5))
    return float(values.mean()), float(low), float(high)
