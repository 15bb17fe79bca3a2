"""What the last stage of a prediction takes into the report."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from DosePredictLib.core import DoseGrid
from DosePredictLib.inference.predictor import Prediction
from DosePredictLib.preprocessing.channels import body_on
from DosePredictLib.worker.reports import Predicted, estimate_of


def found_with(case, estimate: DoseGrid | None) -> Predicted:
    grid = case.ct.grid.resampled((5.0, 5.0, 5.0))
    dose = DoseGrid(np.zeros(grid.shape, np.float32), grid)
    sampled = SimpleNamespace(prediction=Prediction(dose, None, (), estimate=estimate))
    return Predicted(SimpleNamespace(case=case), dose, sampled, None, {}, None)  # type: ignore[arg-type]


def test_an_estimate_is_reported_on_the_grid_of_the_dose_and_inside_the_body(phantom_case):
    everywhere = DoseGrid(np.full(phantom_case.ct.grid.shape, 30.0, np.float32), phantom_case.ct.grid)
    found = found_with(phantom_case, everywhere)
    estimate = estimate_of(found)
    assert estimate is not None and estimate.grid == found.dose.grid
    body = body_on(phantom_case, found.dose.grid)
    assert body.any() and not body.all()
    np.testing.assert_allclose(estimate.gray, np.where(body, 30.0, 0.0), rtol=1e-5)


def test_a_model_without_estimate_has_none_reported(phantom_case):
    assert estimate_of(found_with(phantom_case, None)) is None
