"""``dosepredict models [list|show ID|verify|import FILE]``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import registry
from ..core.errors import ModelError
from ..model_card import predicts, score
from .options import existing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION")
    parser.set_defaults(action=list_models)
    _add(actions, "list", list_models, "the installed models")
    _add(actions, "show", show, "the model card of one").add_argument("id", metavar="ID")
    _add(actions, "verify", verify, "compare all weights with their SHA-256")
    importer = _add(actions, "import", import_model, "install a model from a folder or its model.json")
    importer.add_argument("file", type=Path, metavar="FILE")


def run(options: argparse.Namespace) -> int:
    return options.action(options)


def list_models(options: argparse.Namespace) -> int:
    """One line a model, and a second with what it predicts, how large it is, which weights it has, and its score."""
    models = registry.available()
    for model in models:
        origin = "shipped" if model.shipped else "imported"
        facts = f"{predicts(model.card)}, {model.megabytes:.1f} MB, SHA-256 {model.card['weights_sha256'][:12]}"
        print(f"{model.id:<14} {model.version:<8} {origin:<9} {model.title}")
        print(f"    {facts}; {score(model.card) or 'no score'}")
    if not models:
        print("No model is installed; add one with 'dosepredict models import FOLDER'.")
    return 0


def show(options: argparse.Namespace) -> int:
    print(json.dumps(registry.find(options.id).card, indent=2, ensure_ascii=False))
    return 0


def verify(options: argparse.Namespace) -> int:
    """All are checked; exit code 2 where one is damaged."""
    damaged = []
    for model in registry.available():
        try:
            registry.verify(model)
        except ModelError as error:
            damaged.append(str(error))
        print(f"{model.id:<14} {'damaged' if damaged and model.id in damaged[-1] else 'ok'}")
    if damaged:
        raise ModelError(" ".join(damaged))
    return 0


def import_model(options: argparse.Namespace) -> int:
    path = Path(existing(options.file))
    model = registry.install(path if path.is_dir() else path.parent)
    print(f"Installed {model.id} {model.version}.")
    return 0


def _add(actions: argparse._SubParsersAction, name: str, action: object, summary: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary)
    parser.set_defaults(action=action)
    return parser
