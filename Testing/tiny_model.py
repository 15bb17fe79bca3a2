"""``python tiny_model.py FOLDER`` makes a model that has learned nothing and predicts quickly: DoseDiff at its smallest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

NETWORK = {"distance_maps": 11, "widths": (8, 8, 8, 8), "time_width": 8, "stem": 2, "patch": 1}
TITLE = "Untrained"


def install(models: Path) -> None:
    """Into a folder for DOSEPREDICT_MODELS, under the name "tiny"."""
    import torch

    from DosePredictLib.core import Recipe
    from DosePredictLib.inference import weights
    from DosePredictLib.models import build
    from DosePredictLib.registry import CARD, WEIGHTS, sha256

    folder = models / "tiny"
    folder.mkdir()
    torch.manual_seed(0)
    recipe = Recipe(model="dosediff", network=NETWORK, spacing_mm=(8.0, 8.0, 6.0), steps=2)
    weights.save(build(recipe.model, recipe.network), recipe, folder / WEIGHTS)
    card = {"id": "tiny", "version": "0", "title": TITLE, "weights_sha256": sha256(folder / WEIGHTS)}
    (folder / CARD).write_text(json.dumps(card))


if __name__ == "__main__":
    install(Path(sys.argv[1]))
