"""The two scores of the OpenKBP challenge (Babier et al. 2021, Med Phys 48:5549; evaluator of ababier/open-kbp).

Arrays are those of the challenge, 128 x 128 x 128 in any one order; dose in Gy, masks boolean, voxel sides in mm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

OAR_NAMES = ("Brainstem", "SpinalCord", "RightParotid", "LeftParotid", "Esophagus", "Larynx", "Mandible")
TARGET_NAMES = ("PTV56", "PTV63", "PTV70")
OAR_METRICS = ("D_0.1_cc", "mean")
TARGET_PERCENTILES = {"D_99": 1.0, "D_95": 5.0, "D_1": 99.0}


def dose_error(reference: np.ndarray, predicted: np.ndarray, mask: np.ndarray) -> float:
    """Sum of absolute differences over the whole volume per voxel of ``possible_dose_mask``, Gy: dose outside it counts."""
    return float(np.abs(np.asarray(reference, float) - predicted).sum() / np.count_nonzero(mask))


def dvh_metrics(dose: np.ndarray, masks: Mapping[str, np.ndarray], voxel_mm: Sequence[float]) -> dict[tuple[str, str], float]:
    """Gy by (metric, structure), for the challenge's structures that are present and not empty."""
    metrics = {}
    for name in (*OAR_NAMES, *TARGET_NAMES):
        if name in masks and masks[name].any():
            values = np.asarray(dose[masks[name].astype(bool)], float)
            measured = _target_metrics(values) if name in TARGET_NAMES else _oar_metrics(values, voxel_mm)
            metrics.update({(metric, name): value for metric, value in measured.items()})
    return metrics


def _oar_metrics(values: np.ndarray, voxel_mm: Sequence[float]) -> dict[str, float]:
    voxels_in_tenth_cc = max(1, int(np.round(100 / np.prod(voxel_mm))))
    percent = 100 - 100 * voxels_in_tenth_cc / len(values)
    return {"D_0.1_cc": float(np.percentile(values, max(percent, 0))), "mean": float(values.mean())}


def _target_metrics(values: np.ndarray) -> dict[str, float]:
    return dict(zip(TARGET_PERCENTILES, np.percentile(values, list(TARGET_PERCENTILES.values())).tolist(), strict=True))


@dataclass
class Scores:
    """Collects patients; ``dose_score`` and ``dvh_score`` in Gy, the smaller the better."""

    dose_errors: dict[str, float] = field(default_factory=dict)
    dvh_errors: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)

    def add(
        self,
        patient: str,
        *,
        reference: np.ndarray,
        predicted: np.ndarray,
        mask: np.ndarray,
        masks: Mapping[str, np.ndarray],
        voxel_mm: Sequence[float],
    ) -> None:
        """Score one patient. mask: possible_dose_mask. masks: by the challenge's structure names. voxel_mm: three sides."""
        planned, found = dvh_metrics(reference, masks, voxel_mm), dvh_metrics(predicted, masks, voxel_mm)
        self.dose_errors[patient] = dose_error(reference, predicted, mask)
        self.dvh_errors[patient] = {key: abs(planned[key] - found[key]) for key in planned}

    @property
    def dose_score(self) -> float:
        """Mean over the patients of ``dose_error``."""
        return float(np.mean(list(self.dose_errors.values())))

    @property
    def dvh_score(self) -> float:
        """Mean over every existing (patient, structure, metric): patients with more structures weigh more."""
        return float(np.mean([error for errors in self.dvh_errors.values() for error in errors.values()]))

    def by_metric(self) -> dict[tuple[str, str], float]:
        """Mean error in Gy by (metric, structure)."""
        pooled = defaultdict(list)
        for errors in self.dvh_errors.values():
            for key, error in errors.items():
                pooled[key].append(error)
        return {key: float(np.mean(errors)) for key, errors in sorted(pooled.items())}

    def to_dict(self) -> dict[str, object]:
        """Scores, and their parts, ready for JSON."""
        return {
            "patients": len(self.dose_errors),
            "dose_score_gy": self.dose_score,
            "dvh_score_gy": self.dvh_score,
            "dvh_error_gy": {f"{structure} {metric}": error for (metric, structure), error in self.by_metric().items()},
            "dose_error_gy": dict(self.dose_errors),
            "patient_dvh_error_gy": {
                patient: {f"{structure} {metric}": error for (metric, structure), error in errors.items()}
                for patient, errors in self.dvh_errors.items()
            },
        }
