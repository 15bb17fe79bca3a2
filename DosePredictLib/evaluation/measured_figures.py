"""The pictures of a predicted measured dose, in colours of their own: never those of a predicted plan dose."""

from __future__ import annotations

import numpy as np

from ..core import DoseGrid, QaCase, Volume
from .gamma import Gamma
from .report_figures import Panel, View, blended, box_around, difference_limit, difference_tint, dose_wash

MEASURED_ISODOSES = {
    20: "#51127c", 40: "#8c2981", 60: "#c83e73", 80: "#f1605d", 90: "#fe9f6d", 95: "#fcdfa6",
}  # % of the planned maximum; from dark to light  # fmt: skip
DIFFERENCES = "PuOr_r"  # of matplotlib
PASSED, FAILED = (0.17, 0.66, 0.52, 0.22), (0.86, 0.1, 0.1, 0.85)  # RGBA of gamma up to 1, and above


def view_of(case: QaCase, predicted: DoseGrid, change: Volume, found: Gamma) -> View:
    """Predicted measured and planned dose, their difference, and gamma."""
    full_gy = float(case.planned.gray.max())
    wash = dose_wash(full_gy, MEASURED_ISODOSES)
    panels = (
        Panel("Predicted measured", predicted, wash, isodoses=True),
        Panel("Planned", case.planned, wash, isodoses=True),
        Panel("Difference", Volume(np.nan_to_num(change.array), change.grid), difference_tint(limit_gy(change), DIFFERENCES)),
        Panel("Gamma", Volume(np.nan_to_num(found.volume.array), found.volume.grid), gamma_tint),
    )
    scan = case.ct.grid if case.ct else case.planned.grid
    return View(case.ct, full_gy, panels, box_around(predicted, full_gy, (), scan), colours=MEASURED_ISODOSES)


def limit_gy(change: Volume) -> float:
    """At the ends of the colour scale of differences."""
    return difference_limit(change)


def gamma_tint(ct: np.ndarray, index: np.ndarray) -> np.ndarray:
    """RGB of the CT, green where gamma passes and red where it fails; plain where it was not evaluated."""
    colours = np.zeros((*index.shape, 4))
    colours[index > 0], colours[index > 1] = PASSED, FAILED
    return blended(ct, colours)
