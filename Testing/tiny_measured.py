"""Models of measured dose that have learned nothing and predict quickly, for DOSEPREDICT_MODELS."""

from __future__ import annotations

import json
from pathlib import Path

from DosePredictLib.core import Recipe

GIVEN = {"tiny_a": ["RTDose"], "tiny_b": ["RTDose", "CT"]}  # modes A and B
DIFFUSION = {"timesteps": 1500, "sigma": [0.005, 0.6], "spread": 0.03, "corrections": 1, "snr": 0.16}
SIMULATION = {"seed": 5, "output_percent": [-2.0, 0.3]}


def recipe_of(model: str) -> Recipe:
    network = {"given": GIVEN[model], "widths": [8, 8], "time_width": 8, "stem": 2}
    sides = {"spacing_mm": (8.0, 8.0, 8.0), "margin_mm": 0.0, "structures": ()}
    return Recipe(model="dmtp", network=network, diffusion=DIFFUSION, steps=4, **sides)


def install(models: Path) -> None:
    """Both, as if they had learned from simulated measurements."""
    import torch

    from DosePredictLib.inference import weights
    from DosePredictLib.models import build
    from DosePredictLib.registry import CARD, WEIGHTS, sha256

    for model in GIVEN:
        torch.manual_seed(0)
        folder, recipe = models / model, recipe_of(model)
        folder.mkdir()
        weights.save(build(recipe.model, recipe.network), recipe, folder / WEIGHTS)
        card = {
            "id": model, "version": "0", "title": "Untrained", "predicts": "measured dose", "recipe": recipe.to_dict(),
            "weights_sha256": sha256(folder / WEIGHTS), "pairs": {"measured": 0, "simulated": 3, "simulation": SIMULATION},
        }  # fmt: skip
        (folder / CARD).write_text(json.dumps(card))
