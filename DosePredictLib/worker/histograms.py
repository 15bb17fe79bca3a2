"""The dose-volume histograms that travel in a predicted RTDOSE, for a planning system to show beside its own."""

from __future__ import annotations

import numpy as np

from ..core import BODY, Case, DoseGrid, QaCase
from ..evaluation.dvh import Dvh
from ..io.rtdose_writer import DvhCurve
from ..preprocessing.rasters import Rasters

BIN_GY = 0.1


def dvh_curves(dose: DoseGrid, rasters: Rasters, case: Case | QaCase) -> list[DvhCurve]:
    """Of every structure that lies in the dose; not of the body, whose histogram tells little and takes longest."""
    organs = {roi: occupancy for roi, occupancy in rasters.occupancies.items() if roi != case.names.get(BODY)}
    dvhs = {roi: Dvh.of(dose, occupancy) for roi, occupancy in organs.items()}
    highest = float(dose.gray.max())
    return [dvh_curve(dvh, case.structures[roi].number, highest) for roi, dvh in dvhs.items() if not dvh.refusal]


def dvh_curve(dvh: Dvh, roi_number: int, highest_gy: float) -> DvhCurve:
    """In bins of 0.1 Gy, the last one empty: nothing receives more than ``highest_gy``, that of all voxels."""
    max_gy = min(dvh.max_gy, highest_gy)
    bins = max(1, int(np.ceil(max_gy / BIN_GY))) + 1
    _, percent = dvh.curve(bins, highest_gy=(bins - 1) * BIN_GY)
    percent[0] = 100  # every voxel receives 0 Gy or more; the curve spreads those of exactly 0 a little to both sides
    percent[-1] = 0
    return DvhCurve(roi_number, BIN_GY, percent / 100 * dvh.volume_cc, dvh.min_gy, max_gy, dvh.mean_gy)
