"""A model of measured dose, from weights on disk to a dose on the planned dose's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from DosePredictLib.core import ModelError, Recipe
from DosePredictLib.inference import weights
from DosePredictLib.inference.measured import predict_measured
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.models import build

CPU = torch.device("cpu")
RECIPE = Recipe(
    model="dmtp",
    network={"given": ["RTDose", "CT"], "widths": [8, 8], "time_width": 8, "stem": 2},
    spacing_mm=(8.0, 8.0, 8.0),
    margin_mm=0.0,
    structures=(),
    diffusion={"timesteps": 1500, "sigma": [0.005, 0.6], "spread": 0.03, "corrections": 1, "snr": 0.16},
    steps=10,
)


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    """Untrained, through its file."""
    torch.manual_seed(0)
    weights.save(build("dmtp", RECIPE.network), RECIPE, tmp_path / "weights.safetensors")
    network, recipe = weights.load(tmp_path / "weights.safetensors", CPU)
    return Predictor(network, recipe, {}, CPU)


def test_an_untrained_model_stays_near_the_planned_dose_and_reports_progress(predictor, phantom_case):
    planned, seen = phantom_case.reference, []
    found = predict_measured(
        predictor, planned, phantom_case.ct, seed=3, on_step=lambda done, count: seen.append((done, count))
    ).dose
    high = planned.gray > 0.5 * planned.gray.max()
    share = (found.gray - planned.gray)[high] / planned.gray.max()
    assert found.grid == planned.grid and not found.gray[planned.gray == 0].any()
    assert abs(share.mean()) < 0.005 and 0.002 < share.std() < 0.03
    assert seen[0][0] == 0 and seen[-1][0] == seen[-1][1]
    again = predict_measured(predictor, planned, phantom_case.ct, seed=3).dose
    np.testing.assert_array_equal(again.gray, found.gray)


def test_predicting_a_planned_dose_with_it_is_refused(predictor, phantom_case):
    with pytest.raises(ModelError, match="no planned dose"):
        predictor.predict(phantom_case)


def test_a_model_of_planned_dose_is_refused(phantom_case):
    other = Predictor(torch.nn.Identity(), Recipe(model="dosediff"), {}, CPU)
    with pytest.raises(ModelError, match="no measured dose"):
        predict_measured(other, phantom_case.reference, None)
