"""The pictures of a predicted measured dose, in colours of their own: never those of a predicted plan dose."""

from __future__ import annotations

import numpy as np

from ..core import DoseGrid, QaCase, Volume
from .gamma import Gamma
from .report_figures import Panel, View, blended, box_around, difference_tint, dose_wash

MEASURED_ISODOSES = {
    20: "#00545c", 40: "#007375", 60: "#1a9e8c", 80: "#73cca6", 90: "#adebbf", 95: "#d9f7d1",
}  # % of the planned maximum; one hue, from dark to light, as in the module for 3D Slicer  # fmt: skip
DIFFERENCES = "PRGn"  # of matplotlib: violet where less is predicted than planned, green where more
LIMIT_PERCENT = 5  # of the planned maximum, at the ends of the scale of differences
PASSED, FAILED = "#fff299", "#db1a1a"  # gamma up to 1, and above
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
    """RGB of the CT, yellow where gamma passes and red where it fails; plain where it was not evaluated."""
    from matplotlib.colors import to_rgba

    colours = np.zeros((*index.shape, 4))
    for colour, least in ((PASSED, 0), (FAILED, 1)):
        colours[index > least] = to_rgba(colour, OPACITY[colour])
    return blended(ct, colours)
