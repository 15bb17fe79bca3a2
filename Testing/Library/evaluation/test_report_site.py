"""A site's known errors move and widen what is expected of a new prediction."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import Case, Grid, Prescription, Structure, StructureSet, Target, Volume
from DosePredictLib.evaluation.calibration import Calibration, MetricError
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.report_site import CURVE, site_of
from DosePredictLib.evaluation.structure_metrics import StructureRow

PREDICTED = Dvh(np.array([20.0, 40.0]), np.array([0.0, 1.0]), volume_cc=30.0, covered_mean_gy=30.0)


def errors(structure: str, mean: float, half: float) -> list[MetricError]:
    return [MetricError(structure, column, 24, mean, half / 1.7, half) for column in ("dmean_gy", *CURVE)]


@pytest.fixture
def case() -> Case:
    grid = Grid((2, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    rois = StructureSet(tuple(Structure(name, number=n) for n, name in enumerate(("boost", "Parotis li", "unknown"))))
    return Case(Volume(np.zeros((2, 2, 2)), grid), rois, Prescription((Target("boost", 66.0),)), {"Parotid_L": "Parotis li"})


def test_a_low_bias_moves_interval_and_band_up_and_targets_are_known_by_their_level(case: Case) -> None:
    rows = [
        StructureRow("boost", "boost", PREDICTED, prescription_gy=66.0),
        StructureRow("Parotid_L", "Parotis li", PREDICTED),
        StructureRow("unknown", "unknown", PREDICTED),
    ]
    known = (*errors("PTV_High", 0.5, 1.0), *errors("Parotid_L", -2.0, 3.0))
    site = site_of(rows, case, Calibration("m", "ab", 1, 1, 24, known))
    assert site.cases == 24 and set(site.intervals) == {"boost", "Parotis li"}
    mean = site.intervals["Parotis li"]["dmean_gy"]
    assert (mean.low, mean.value, mean.high) == pytest.approx((29, 32, 35))
    band = site.bands["Parotis li"]
    middle = band.percent == 50
    assert (band.low_gy[middle], band.high_gy[middle]) == (pytest.approx(29), pytest.approx(35))
    assert site.bands["boost"].high_gy[middle] == pytest.approx(30.5)
    assert [words.split(" is ")[0] for words in site.words] == ["Parotid_L Mean", "PTV_High Mean"]


def test_a_structure_whose_curve_is_not_known_has_no_band(case: Case) -> None:
    rows = [StructureRow("Parotid_L", "Parotis li", PREDICTED)]
    site = site_of(rows, case, Calibration("m", "ab", 1, 1, 24, (MetricError("Parotid_L", "dmean_gy", 24, 1.0, 1.0, 2.0),)))
    assert site.bands == {} and site.intervals["Parotis li"]["dmean_gy"].value == 29
