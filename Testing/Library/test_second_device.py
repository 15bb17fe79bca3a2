"""Every shipped recipe learns and predicts on another device than the CPU, and as it does there; no GPU is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from second_device import second_device

from DosePredictLib.core import Case
from DosePredictLib.inference.companions import Companion
from DosePredictLib.inference.measured import predict_measured
from DosePredictLib.inference.predictor import Prediction, Predictor
from DosePredictLib.inference.usual_targets import SHARES, UsualTargets
from DosePredictLib.inference.weights import on_device
from DosePredictLib.models import build
from DosePredictLib.preprocessing.channels import network_grid
from DosePredictLib.training.dataset import Patient, patient_of
from DosePredictLib.training.loop import stages
from DosePredictLib.training.measurement import SimulatedMeasurement
from DosePredictLib.training.pairs import patient_of_pair, simulated_pair
from DosePredictLib.training.settings import TrainingRecipe, read_recipe

RECIPES = sorted((Path(__file__).resolve().parents[2] / "Resources" / "Recipes").glob("*.toml"))
SMALL = {
    "addiff_dose": {"vae_widths": (8, 8), "condition_widths": (16, 16), "widths": (16, 16, 16), "context_width": 16, "heads": 2},
    "c3d": {"stem": 8, "first": (8, 8), "second": (8, 8)},
    "coarse_unet": {"widths": (8, 8)},
    "diffdp": {"widths": (8, 8, 8), "noise_width": 8},
    "dmtp": {"widths": (8, 8), "time_width": 8},
    "dosediff": {"widths": (8, 8, 8, 8), "time_width": 8},
    "fluence_net": {"widths": (8, 8), "dropout": 0.0},
    "resdose": {"widths": (8, 8), "refinement": (8,)},
    "unet": {"widths": (8, 8)},
}
ALWAYS = {"flip": 1.0, "turned": 1.0, "upside_down": 1.0, "drop": 0.3, "copies": 0.0, "turns_deg": ()}  # no copies: of the CPU
CPU = torch.device("cpu")


@pytest.fixture(params=RECIPES, ids=lambda path: path.stem)
def plan(request: pytest.FixtureRequest) -> TrainingRecipe:
    """Small and coarse, and every kind of change to a patient at once."""
    whole = read_recipe(request.param)
    network = {**whole.recipe.network, **SMALL[whole.recipe.model]}
    recipe = replace(whole.recipe, network=network, spacing_mm=(8.0, 8.0, 6.0), steps=2)
    changed = {key: value for key, value in ALWAYS.items() if getattr(whole.augmentation, key) or key == "flip"}
    return replace(whole, recipe=recipe, augmentation=replace(whole.augmentation, **changed))


def patient(plan: TrainingRecipe, case: Case) -> Patient:
    if plan.measures:
        return patient_of_pair(simulated_pair(case, SimulatedMeasurement()), plan.recipe)
    return patient_of(case, plan.recipe, network_grid(case, plan.recipe))


def network_of(plan: TrainingRecipe) -> torch.nn.Module:
    """Untrained, but none of its layers begins as nothing."""
    torch.manual_seed(0)
    network = build(plan.recipe.model, plan.recipe.network)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return network


def test_learning_is_the_same_there(plan: TrainingRecipe, phantom_case: Case, tmp_path: Path):
    """Loss, size of the gradient and answer, in every stage."""
    one = patient(plan, phantom_case)

    def learned(device: torch.device) -> list[list[float]]:
        network, found = on_device(network_of(plan), device), []
        for last, task in stages(plan, [one], device, tmp_path):
            loss = task.loss(network, last - 1)
            loss.backward()
            size = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            found.append([float(loss.detach()), size.item(), float(task.predicted(network, one).abs().mean())])
            network.zero_grad()
        return found

    with second_device() as there:
        np.testing.assert_allclose(learned(there), learned(CPU), rtol=2e-3)


def predicted(plan: TrainingRecipe, case: Case, device: torch.device) -> Prediction:
    """With all that a model's card may add: a companion, and usual targets."""
    network = on_device(network_of(plan), device).eval()
    usual = UsualTargets({"PTV_High": np.ones(len(SHARES), np.float32)}, 0.5) if plan.answers_at_once else None
    companions = (Companion(network, plan.recipe, 0.3),) if plan.answers_at_once else ()
    predictor = Predictor(network, plan.recipe, {"id": plan.recipe.model, "default_steps": 1}, device, companions, usual)
    if plan.measures:
        return predict_measured(predictor, case.reference, case.ct, samples=2)
    return predictor.predict(case, samples=2)


def test_predictions_are_the_same_there(plan: TrainingRecipe, phantom_case: Case):
    """But for rounding, which a network that learned nothing, and predicts 170 Gy, makes much of."""
    with second_device() as there:
        here, away = (predicted(plan, phantom_case, device) for device in (CPU, there))
    np.testing.assert_allclose(away.dose.gray, here.dose.gray, rtol=1e-3, atol=0.2)
    assert (here.spread is None) == (away.spread is None)
    if here.spread is not None and away.spread is not None:
        np.testing.assert_allclose(away.spread.array, here.spread.array, rtol=1e-3, atol=0.2)
