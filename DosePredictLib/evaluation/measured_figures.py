"""The pictures of a predicted measured dose, in colours of their own: never those of a predicted plan dose."""

from __future__ import annotations

import numpy as np

from ..core import DoseGrid, QaCase, Volume
from .gamma import Gamma
from .report_figures import Panel, View, blended, box_around, difference_tint, dose_wash

MEASURED_ISODOSES = {
    20: "#51127c", 40: "#8c2981", 60: "#c83e73", 80: "#f1605d", 90: "#fe9f6d", 95: "#fcdfa6",
}  # % of the planned maximum; from dark to light  # fmt: skip
DIFFERENCES = "PuOr_r"  # of matplotlib
LIMIT_PERCENT = 5  # of the planned maximum, at the ends of the scale of differences
PASSED, FAILED = "#2ba885", "#db1a1a"  # gamma up to 1, and above
OPACITY = {PASSED: 0.22, FAILED: 0.85}


def view_of(case: QaCase, predicted: DoseGrid, change: Volume, found: Gamma) -> View:
    """Predicted measured and planned dose, their difference, and gamma."""
    full_gy = float(case.planned.gray.max())
    wash = dose_wash(full_gy, MEASURED_ISODOSES)
    tint = difference_tint(limit_gy(case.planned), DIFFERENCES)
    panels = (
        Panel("Predicted measured", predicted, wash, isodoses=True),
        Panel("Planned", case.planned, wash, isodoses=True),
        Panel("Difference", change, tint),
        Panel("Gamma", Volume(np.nan_to_num(found.volume.array), found.volume.grid), gamma_tint),
    )
    scan = case.ct.grid if case.ct else case.planned.grid
    return View(case.ct, full_gy, panels, box_around(predicted, full_gy, (), scan), colours=MEASURED_ISODOSES)


def limit_gy(planned: DoseGrid) -> float:
    """At the ends of the colour scale of differences."""
    return LIMIT_PERCENT / 100 * float(planned.gray.max())


def gamma_tint(ct: np.ndarray, index: np.ndarray) -> np.ndarray:
    """RGB of the CT, green where gamma passes and red where it fails; plain where it was not evaluated."""
    from matplotlib.colors import to_rgba

    colours = np.zeros((*index.shape, 4))
    for colour, least in ((PASSED, 0), (FAILED, 1)):
        colours[index > least] = to_rgba(colour, OPACITY[colour])
    return blended(ct, colours)
