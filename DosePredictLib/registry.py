"""Which models there are and where their weights lie; imports no torch.

A model is a folder ``<id>/{weights.safetensors, model.json}``: in Resources/Models, or in the user's own folder of models.
``model.json`` is the model card; its ``weights_sha256`` is the identity of the weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .core.errors import ModelError
from .resources import resource

WEIGHTS, CARD = "weights.safetensors", "model.json"
DEFAULT_MODEL = "resdose"  # the best on the validation patients, docs/results.md
REQUIRED_IN_CARD = ("id", "version", "weights_sha256")
KINDS_IN_CARD = {
    "title": str,
    "predicts": str,
    "domain": dict,
    "recipe": dict,
    "metrics": list,
    "default_steps": int,
    "default_samples": int,
    "companions": list,
    "usual_targets": dict,
}
LARGEST_CARD = 1 << 22  # bytes


@dataclass(frozen=True)
class ModelInfo:
    """One installed model. card: the content of its model.json. shipped: came with the program."""

    id: str
    folder: Path
    card: dict[str, Any]
    shipped: bool

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def version(self) -> str:
        return str(self.card["version"])

    @property
    def title(self) -> str:
        return str(self.card.get("title", self.id))

    @property
    def megabytes(self) -> float:
        """Of the weights; 0 where they are missing."""
        return self.weights.stat().st_size / 2**20 if self.weights.is_file() else 0.0


def user_folder() -> Path:
    """Where this user's models and logs are kept; it need not exist."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "dosepredict"


def models_folder() -> Path:
    """Where the user's own models lie: DOSEPREDICT_MODELS, or a folder of the user's."""
    named = os.environ.get("DOSEPREDICT_MODELS")
    return Path(named).expanduser() if named else user_folder() / "models"


def calibration_file(model_id: str) -> Path:
    """Where this user's local calibration of a model is kept; it need not exist."""
    return user_folder() / "calibrations" / f"{model_id}.json"


def available() -> list[ModelInfo]:
    """All models, by id; the user's own stands before a shipped one of the same id. Raises ModelError for an unreadable card."""
    found = {model.id: model for model in _everywhere()}
    return [found[identifier] for identifier in sorted(found)]


def find(model_id: str) -> ModelInfo:
    """The model of this id; raises ModelError, naming those there are."""
    models = {model.id: model for model in available()}
    if model_id not in models:
        known = ", ".join(models) or "none"
        raise ModelError(f"There is no model named {model_id!r}; installed are: {known}. See 'dosepredict models'.")
    return models[model_id]


def verify(model: ModelInfo) -> None:
    """Raises ModelError where weights, the model's own or its companions', are not those that the card names."""
    for one in (model, *companions(model)):
        _verify_own(one)


def _verify_own(model: ModelInfo) -> None:
    if not model.weights.is_file():
        raise ModelError(f"The model {model.id} has no weights ({WEIGHTS} is missing); install it again.")
    found = sha256(model.weights)
    if found != model.card["weights_sha256"]:
        raise ModelError(
            f"The weights of the model {model.id} are damaged or were exchanged: their SHA-256 starts with {found[:12]}"
            f", its model card says {str(model.card['weights_sha256'])[:12]}; install the model again."
        )


def companions(model: ModelInfo) -> list[ModelInfo]:
    """The installed models whose answers are part of ``model``'s, by the weights that its card names, whatever has their ids.

    Raises ModelError where one of these weights is not there.
    """
    named = named_companions(model.card)
    there = {one.card["weights_sha256"]: one for one in reversed(_everywhere())} if named else {}
    for missing in (one for one in named if one["weights_sha256"] not in there):
        wanted = f"{missing['id']} (weights {missing['weights_sha256'][:12]})"
        raise ModelError(f"The model {model.id} answers together with {wanted}, which is not installed; install that, too.")
    return [there[one["weights_sha256"]] for one in named]


def named_companions(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the card says of each: id, weights_sha256 and share. Older cards name a single one as "companion"."""
    return [card["companion"]] if "companion" in card else card.get("companions", [])


def install(folder: Path) -> ModelInfo:
    """Copy a model into the user's folder, whole or not at all; raises ModelError if it is not one, damaged, or there already."""
    model = _read(folder, shipped=False)
    verify(model)
    target = models_folder() / model.id
    if target.exists():
        raise ModelError(f"A model named {model.id} is already installed; remove its folder first to replace it.")
    models_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models_folder(), prefix=".part-") as part:
        copy = Path(part) / model.id
        copy.mkdir()
        for name in (WEIGHTS, CARD):
            shutil.copyfile(folder / name, copy / name)
        os.replace(copy, target)
    return _read(target, shipped=False)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _everywhere() -> list[ModelInfo]:
    """The shipped models, then the user's own; ids may repeat."""
    return [*_models_in(resource("Models"), True), *_models_in(models_folder(), False)]


def _models_in(folder: Path, shipped: bool) -> list[ModelInfo]:
    return [_read(card.parent, shipped) for card in sorted(folder.glob(f"*/{CARD}")) if not card.parent.name.startswith(".")]


def _text_of(card: Path) -> str:
    """Raises ValueError where it is not text, or too long to be a card."""
    if card.stat().st_size > LARGEST_CARD:
        raise ValueError("too long")
    return card.read_text(encoding="utf-8")


def _read(folder: Path, shipped: bool) -> ModelInfo:
    try:
        card = json.loads(_text_of(folder / CARD))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{folder.name} is not a model: its model card {CARD} is missing or cannot be read.") from error
    missing = [key for key in REQUIRED_IN_CARD if not isinstance(card, dict) or not isinstance(card.get(key), str)]
    if missing:
        raise ModelError(f"The model card of {folder.name} lacks {', '.join(missing)}.")
    if odd := [key for key, kind in KINDS_IN_CARD.items() if key in card and type(card[key]) is not kind]:
        raise ModelError(f"The model card of {folder.name} has an odd value for {', '.join(odd)}; install the model again.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", card["id"]):
        raise ModelError(f"The model card of {folder.name} has an id that is not made of letters, digits, - and _ only.")
    if not _are_companions(named_companions(card)):
        raise ModelError(f"The model card of {folder.name} has an odd value for companions; install the model again.")
    return ModelInfo(id=str(card["id"]), folder=folder, card=card, shipped=shipped)


def _are_companions(named: list[Any]) -> bool:
    """Whether each is a model by its weights and the share of its answer, and the shares leave some for the model itself."""
    words = all(isinstance(one, dict) and isinstance(one.get(key), str) for one in named for key in ("id", "weights_sha256"))
    return words and are_shares([one.get("share") for one in named])


def are_shares(values: Sequence[Any]) -> bool:
    """Numbers from 0 to 1, as is their sum."""
    return all(type(value) in (int, float) and 0 <= value <= 1 for value in values) and sum(values) <= 1
