"""Weights and cards that are damaged, or made by somebody who means harm."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file, save_file

from DosePredictLib import registry
from DosePredictLib.core import ModelError, Recipe
from DosePredictLib.inference import weights
from DosePredictLib.registry import CARD, WEIGHTS

CPU = torch.device("cpu")


@pytest.fixture
def model(models_with_tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a model that a test may spoil."""
    shutil.copytree(models_with_tiny, tmp_path / "models")
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "models"))
    return tmp_path / "models" / "tiny"


def with_recipe(model: Path, change: dict[str, object]) -> Path:
    """The same tensors with another recipe."""
    _, recipe = weights.load(model / WEIGHTS, CPU)
    save_file(load_file(model / WEIGHTS), model / WEIGHTS, metadata={"recipe": json.dumps(recipe.to_dict() | change)})
    return model / WEIGHTS


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("dump", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_weights_that_are_a_program_are_refused_and_do_not_run(model: Path, tmp_path: Path, dump) -> None:
    with (model / WEIGHTS).open("wb") as file:
        dump(Trap(tmp_path / "sprung"), file)
    with pytest.raises(ModelError, match="damaged or of another version"):
        weights.load(model / WEIGHTS, CPU)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("length", [0, 7, 2**20, 2**31, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_any_stated_length_is_refused(model: Path, length: int) -> None:
    content = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(length.to_bytes(8, "little") + content[8:])
    with pytest.raises(ModelError):
        weights.load(model / WEIGHTS, CPU)


def test_a_network_larger_than_its_tensors_is_refused_before_room_is_made_for_it(model: Path, monkeypatch) -> None:
    _, recipe = weights.load(model / WEIGHTS, CPU)
    path = with_recipe(model, {"network": recipe.network | {"widths": [4096] * 4}})
    build = weights.build

    def build_without_values(*arguments):
        assert torch.get_default_device().type == "meta"
        return build(*arguments)

    monkeypatch.setattr(weights, "build", build_without_values)
    with pytest.raises(ModelError):
        weights.load(path, CPU)


ODD_RECIPES = {
    "a network that is a list": {"network": [1, 2]},
    "unknown arguments": {"network": {"__class__": "os.system"}},
    "another model": {"model": "os.system"},
    "steps in words": {"steps": "eight"},
    "no steps": {"steps": 0},
    "a spacing of two numbers": {"spacing_mm": [1.0, 2.0]},
    "a spacing of nothing": {"spacing_mm": [0.0, 1.0, 1.0]},
    "not a number": {"margin_mm": float("nan")},
    "structures that are numbers": {"structures": [1, 2]},
    "endless diffusion": {"diffusion": {"timesteps": 10**15, "beta": [1e-4, 0.02], "output": "epsilon"}},
    "no diffusion": {"diffusion": {}},
    "a long recipe": {"network": {"widths": [8] * 10**6}},
    "an unknown word": {"colour": "red"},
}


@pytest.mark.parametrize("change", ODD_RECIPES.values(), ids=ODD_RECIPES)
def test_a_recipe_that_makes_no_sense_is_refused(model: Path, change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        weights.load(with_recipe(model, change), CPU)


def test_weights_damaged_anywhere_are_refused_by_their_checksum_and_never_crash_the_reader(model: Path) -> None:
    content, chance = (model / WEIGHTS).read_bytes(), Random(1)
    for _ in range(40):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 5])):
            damaged[chance.randrange(min(len(content), 6000))] = chance.randrange(256)
        (model / WEIGHTS).write_bytes(damaged[: chance.choice([len(content), chance.randrange(len(content))])])
        if bytes(damaged) != content:
            with pytest.raises(ModelError, match="damaged or were exchanged"):
                registry.verify(registry.find("tiny"))
        try:
            assert isinstance(weights.load(model / WEIGHTS, CPU)[1], Recipe)
        except ModelError as error:
            assert "\n" not in str(error)


ODD_CARDS = {
    "empty": "",
    "a list": "[]",
    "cut off": '{"id": "tiny"',
    "no text": "\x00",
    "very deep": "[" * 100_000,
    "a checksum that is a number": json.dumps({"id": "tiny", "version": "0", "weights_sha256": 7}),
    "an id that is a path": json.dumps({"id": "../tiny", "version": "0", "weights_sha256": "0"}),
    "steps in words": json.dumps({"id": "tiny", "version": "0", "weights_sha256": "0", "default_steps": "many"}),
    "a domain that is a list": json.dumps({"id": "tiny", "version": "0", "weights_sha256": "0", "domain": []}),
    "endless": " " * (registry.LARGEST_CARD + 1),
}


@pytest.mark.parametrize("text", ODD_CARDS.values(), ids=ODD_CARDS)
def test_a_card_that_makes_no_sense_is_refused(model: Path, text: str) -> None:
    (model / CARD).write_text(text)
    with pytest.raises(ModelError, match="tiny"):
        registry.available()
