"""Predicted against planned dose, voxel by voxel: differences in stated masks, gamma, and how alike the isodoses are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core import BODY, Case, DoseGrid, Volume
from .difference import Errors, difference, errors, peak_signal_to_noise_db, structural_similarity
from .gamma import Gamma, gamma
from .interpolation import on_grid
from .isodose import IsodoseAgreement, isodose_agreement

LEVELS_PERCENT = (50.0, 80.0, 95.0, 100.0)  # of the highest prescription
IRRADIATED = "where the planned dose is at least 10 % of the prescription"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a reference dose allows to say; both volumes are on its grid.

    isodoses, similarity and signal_to_noise_db take seconds and are there for a thorough comparison only; the latter two are
    those of the first mask of ``errors``.
    """

    change: Volume
    errors: tuple[Errors, ...]
    gamma: Gamma
    isodoses: tuple[IsodoseAgreement, ...] = ()
    similarity: float | None = None
    signal_to_noise_db: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The entries of report.json."""
        return {
            "gamma": self.gamma.to_dict(),
            "errors": [asdict(entry) for entry in self.errors],
            "isodoses": [asdict(entry) for entry in self.isodoses],
            "ssim": self.similarity,
            "psnr_db": self.signal_to_noise_db,
        }


def compare(case: Case, predicted: DoseGrid, occupancies: Mapping[str, Volume], *, thorough: bool = False) -> Comparison | None:
    """None for a case without a reference dose. Raises InputError or GeometryError where the doses cannot be compared."""
    reference = case.reference
    if reference is None:
        return None
    change = difference(predicted, reference)
    masks = _masks(case, reference, occupancies)
    measured = tuple(errors(change, mask, described=described) for described, mask in masks.items())
    found = Comparison(change, measured, gamma(predicted, reference))
    if not thorough:
        return found
    levels = [percent / 100 * case.prescription.highest_gy for percent in LEVELS_PERCENT]
    return Comparison(
        found.change,
        found.errors,
        found.gamma,
        isodoses=tuple(isodose_agreement(predicted, reference, level) for level in levels),
        similarity=structural_similarity(predicted, reference, masks[IRRADIATED]),
        signal_to_noise_db=peak_signal_to_noise_db(measured[0], reference),
    )


def _masks(case: Case, reference: DoseGrid, occupancies: Mapping[str, Volume]) -> dict[str, np.ndarray]:
    """On the reference's grid, by where they are, in words."""
    highest = case.prescription.targets[0]
    masks = {IRRADIATED: reference.gray >= 0.1 * highest.dose_gy}
    places = {"inside the body contour": case.names.get(BODY, ""), "in the target of the highest prescription": highest.roi}
    for described, roi in places.items():
        if roi in occupancies:
            masks[described] = on_grid(occupancies[roi], reference.grid) >= 0.5
    return masks
