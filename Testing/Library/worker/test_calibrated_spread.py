"""The uncertainty that leaves the program is the samples' spread as the model's calibration corrects it."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid, Volume
from DosePredictLib.inference.predictor import Prediction
from DosePredictLib.worker.job import calibrated

GRID = Grid((4, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
DOSE = DoseGrid(np.ones(GRID.shape, np.float32), GRID)


@pytest.mark.parametrize(("card", "expected"), [({}, 2.0), ({"calibration": {"spread_scale": 1.7}}, 3.4)])
def test_the_spread_is_scaled_as_the_card_says(card, expected):
    found = calibrated(Prediction(DOSE, Volume(np.full(GRID.shape, 2.0), GRID), ()), card)
    np.testing.assert_allclose(found.spread.array, expected)
    assert found.dose is DOSE and found.spread.grid == GRID


def test_without_samples_there_is_none():
    assert calibrated(Prediction(DOSE, None, ()), {"calibration": {"spread_scale": 1.7}}).spread is None
