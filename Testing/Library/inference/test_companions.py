"""Two networks that answer together: the dose is the mean that the card names, or there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from DosePredictLib import registry
from DosePredictLib.core import Case, ModelError, Recipe
from DosePredictLib.inference import weights
from DosePredictLib.inference.companions import Companion, joined
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.models import build
from DosePredictLib.models.coarse_unet import CoarseUNet
from DosePredictLib.preprocessing.beams import NINE_FIELDS_DEG
from DosePredictLib.training.card import pinned_companions

FIRST = Recipe(
    model="resdose",
    network={"channels": 14, "widths": (8, 8)},
    volumetric=True,
    spacing_mm=(8.0, 8.0, 6.0),
    dose_range=(0.0, 2.0),
    planning={"angles_deg": [0, 120, 240], "plans": [{"iterations": 4}]},
    steps=1,
)
SECOND = replace(FIRST, model="unet", network={"channels": 12, "widths": (8, 8)}, planning={})


def install(folder: Path, recipe: Recipe, **card: Any) -> registry.ModelInfo:
    """An untrained model: resdose answers with its plan, unet with no dose at all."""
    folder.mkdir(parents=True)
    weights.save(build(recipe.model, recipe.network), recipe, folder / registry.WEIGHTS)
    named = {"id": recipe.model, "version": "1", "weights_sha256": registry.sha256(folder / registry.WEIGHTS), **card}
    (folder / registry.CARD).write_text(json.dumps(named))
    return next(model for model in registry.available() if model.folder == folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path))
    return tmp_path


def pinned(model: registry.ModelInfo, share: float = 0.25) -> dict[str, Any]:
    return {"id": model.id, "weights_sha256": model.card["weights_sha256"], "share": share}


def test_the_dose_is_the_mean_that_the_card_names(folder, phantom_case: Case):
    second = install(folder / "second", SECOND, id="second")
    alone = Predictor.of(install(folder / "alone", FIRST, id="alone"), torch.device("cpu")).predict(phantom_case).dose.gray
    assert alone.max() > 50
    for name, shares in (("two", [0.25]), ("three", [0.25, 0.4])):
        install(folder / name, FIRST, id=name, companions=[pinned(second, share) for share in shares])
        together = Predictor.load(name, "cpu").predict(phantom_case).dose.gray
        np.testing.assert_allclose(together, (1 - sum(shares)) * alone, atol=0.01)


def test_of_a_coarse_companion_only_what_is_smooth_counts():
    network = CoarseUNet(channels=14, widths=(8, 8))
    given = torch.rand(14, 8, 8, 16)
    companion, spacing = Companion(network, FIRST, 0.5), (4.0, 4.0, 3.0)
    edge = given[13] - 1 + torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(4)  # an answer with edges within the coarse voxels
    step = given[13] - 1 + (torch.arange(16.0) >= 8)
    torch.testing.assert_close(joined(edge, given, [companion], spacing, half=False), edge - 0.5 * 0.5)
    beside = joined(step, given, [companion], spacing, half=False)
    torch.testing.assert_close(beside[..., :6], step[..., :6])
    torch.testing.assert_close(beside[..., 10:], step[..., 10:] - 0.5)


def test_a_companion_may_answer_in_fluence(folder, phantom_case: Case):
    """Untrained, it delivers the second of the plans, of which resdose answers with the first."""
    planning = {"angles_deg": list(NINE_FIELDS_DEG), "plans": [{"iterations": 4}, {"iterations": 8, "normal": 0.2}]}
    first = replace(FIRST, planning=planning, network={"channels": 15, "widths": (8, 8)})
    size = {"regions": 6 + len(first.structures), "plans": 2, "widths": (8, 8), "stages": 1}
    fluent = install(folder / "fluent", replace(first, model="fluence_net", network=size), id="fluent")
    install(folder / "alone", first, id="alone")
    install(folder / "both", first, id="both", companions=[pinned(fluent)])
    one, other, both = (Predictor.load(name, "cpu").predict(phantom_case).dose.gray for name in ("alone", "fluent", "both"))
    assert np.abs(one - other).max() > 2
    np.testing.assert_allclose(both, 0.75 * one + 0.25 * other, atol=0.01)


def test_a_card_of_before_names_a_single_one(folder, phantom_case: Case):
    second = install(folder / "second", SECOND, id="second")
    install(folder / "both", FIRST, id="both", companion=pinned(second))
    (found,) = Predictor.load("both", "cpu").companions
    assert found.share == 0.25


def test_the_companion_is_found_by_its_weights_whatever_else_has_its_id(folder):
    second = install(folder / "ours", SECOND, id="unet")  # before the shipped unet
    shipped = next(model for model in registry.available() if model.id == "resdose")
    both = replace(shipped, card={**shipped.card, "companions": [{**pinned(second), "id": "another"}]})
    assert [one.folder for one in registry.companions(both)] == [second.folder]
    assert registry.companions(replace(shipped, card={})) == []


def test_a_companion_that_is_missing_damaged_or_sees_something_else_is_named(folder):
    second = install(folder / "second", SECOND, id="second")
    both = install(folder / "both", FIRST, id="both", companions=[pinned(second)])
    other_beams = {"angles_deg": [0], "plans": [{}]}
    for number, change in enumerate(({"margin_mm": 20.0}, {"planning": other_beams}, {"volumetric": False})):
        stranger = install(folder / f"stranger{number}", replace(SECOND, **change), id=f"stranger{number}")
        card = {**both.card, "companions": [pinned(stranger)]}
        with pytest.raises(ModelError, match="cannot answer beside both"):
            Predictor.of(replace(both, card=card), torch.device("cpu"))
    second.weights.write_bytes(b"x")
    with pytest.raises(ModelError, match="weights of the model second are damaged"):
        Predictor.load("both", "cpu")
    (second.folder / registry.CARD).unlink()
    with pytest.raises(ModelError, match=r"answers together with second .* not installed"):
        Predictor.load("both", "cpu")


@pytest.mark.parametrize(
    "odd",
    [
        ["unet"],
        [{"id": "unet"}],
        [{"id": "unet", "weights_sha256": 7, "share": 0.5}],
        [{**dict.fromkeys(("id", "weights_sha256"), "x"), "share": 0.6}] * 2,
    ],
)
def test_a_card_with_an_odd_companion_is_refused(folder, odd):
    with pytest.raises(ModelError, match="odd value for companions"):
        install(folder / "both", FIRST, companions=odd)


def test_a_recipe_names_a_companion_and_the_card_pins_its_weights(folder):
    second = install(folder / "second", SECOND, id="second")
    assert pinned_companions([{"id": "second", "share": 0.25}]) == {"companions": [{**pinned(second), "version": "1"}]}
    assert pinned_companions([]) == {}
