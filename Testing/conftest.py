"""What all tests share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from DosePredictLib.core import Case

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = {"distance_maps": 11, "widths": (8, 8, 8, 8), "time_width": 8, "stem": 2, "patch": 1}


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; tests that need it skip where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the reference data (../shared/data) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def phantom_case() -> Case:
    """The synthetic patient with its planned dose, coarse."""
    from DosePredictLib.phantom import COARSE_MM, make_phantom

    return make_phantom(spacing_mm=COARSE_MM)


@pytest.fixture(scope="session")
def phantom_folder(phantom_case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same patient as DICOM."""
    from DosePredictLib.phantom.dicom import write_case

    folder = tmp_path_factory.mktemp("phantom") / "case"
    write_case(folder, phantom_case, salt="tests")
    return folder


@pytest.fixture(scope="session")
def models_with_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, for DOSEPREDICT_MODELS, with one named "tiny": DoseDiff at its smallest, untrained."""
    import torch

    from DosePredictLib.core import Recipe
    from DosePredictLib.inference import weights
    from DosePredictLib.models import build
    from DosePredictLib.registry import CARD, WEIGHTS, sha256

    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").mkdir()
    torch.manual_seed(0)
    recipe = Recipe(model="dosediff", network=TINY, spacing_mm=(8.0, 8.0, 6.0), steps=2)
    weights.save(build(recipe.model, recipe.network), recipe, folder / "tiny" / WEIGHTS)
    card = {"id": "tiny", "version": "0", "title": "Untrained", "weights_sha256": sha256(folder / "tiny" / WEIGHTS)}
    (folder / "tiny" / CARD).write_text(json.dumps(card))
    return folder
