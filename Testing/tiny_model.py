"""``python tiny_model.py FOLDER`` makes models that learned nothing and predict quickly: DoseDiff and DMTP at their smallest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from DosePredictLib.core import Recipe

DOSEDIFF = {"distance_maps": 11, "widths": (8, 8, 8, 8), "time_width": 8, "stem": 2, "patch": 1}
DMTP = {"widths": [8, 8], "time_width": 8, "stem": 2}
SMALL_NOISE = {"timesteps": 1500, "sigma": [0.005, 0.02], "spread": 0.02, "corrections": 1, "snr": 0.16}
TITLE = "Untrained"


def install(models: Path) -> None:
    """Into a folder for DOSEPREDICT_MODELS: "tiny", a model of planned dose."""
    from DosePredictLib.core import Recipe

    _install(models / "tiny", Recipe(model="dosediff", network=DOSEDIFF, spacing_mm=(8.0, 8.0, 6.0), steps=2), TITLE)


def install_measured(models: Path) -> None:
    """Of measured dose: "tiny_measured" from the planned dose, "tiny_measured_b" from planned dose and CT."""
    facts = {"predicts": "measured dose", "pairs": {"measured": 0, "simulated": 4}}
    for suffix, title, given in (("", "Untrained A", ["RTDose"]), ("_b", "Untrained B", ["RTDose", "CT"])):
        _install(models / f"tiny_measured{suffix}", _of_measured_dose(given), title, **facts)


def _of_measured_dose(given: list[str]) -> Recipe:
    from DosePredictLib.core import Recipe

    return Recipe(
        model="dmtp", network={"given": given, **DMTP}, spacing_mm=(8.0, 8.0, 8.0), margin_mm=0.0, structures=(),
        diffusion=SMALL_NOISE, steps=2,
    )  # fmt: skip


def _install(folder: Path, recipe: Recipe, title: str, **facts: Any) -> None:
    import torch

    from DosePredictLib.inference import weights
    from DosePredictLib.models import build
    from DosePredictLib.registry import CARD, WEIGHTS, sha256

    folder.mkdir()
    torch.manual_seed(0)
    weights.save(build(recipe.model, recipe.network), recipe, folder / WEIGHTS)
    card = {"id": folder.name, "version": "0", "title": title, "weights_sha256": sha256(folder / WEIGHTS)}
    (folder / CARD).write_text(json.dumps({**card, **facts, "recipe": recipe.to_dict()}))


if __name__ == "__main__":
    install(Path(sys.argv[1]))
    install_measured(Path(sys.argv[1]))
