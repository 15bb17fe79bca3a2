"""The model card that leaves a training run together with its weights (fields of AID-RT)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..core import Case, Recipe
from ..inference import weights
from ..inference.descriptors import descriptors, occupancies_of
from ..inference.domain import distribution
from ..inference.usual_targets import UsualTargets
from ..registry import CARD, WEIGHTS, ModelInfo, find, sha256
from .checkpoints import State
from .dataset import has_ct, read_case
from .pairs import measurement_facts
from .settings import TrainingRecipe

NUMBERS = re.compile(r"\[[-+\d.eE,\s]*\]")


def write_model(
    state: State,
    plan: TrainingRecipe,
    folders: Sequence[Path],
    folder: Path,
    start: ModelInfo | None = None,
    teachers: Sequence[ModelInfo] = (),
    usual: UsualTargets | None = None,
) -> None:
    """``folder`` becomes a model that can be used or imported: the averaged weights and their card.

    start: the model whose weights were the first ones. teachers: those that it learned from. usual: what its answer is drawn to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights.save(state.average.module, plan.recipe, folder / WEIGHTS)
    card = {
        **plan.card,
        **pinned_companions(plan.card.get("companions", ())),
        **({"usual_targets": usual.in_card} if usual else {}),
        "weights_sha256": sha256(folder / WEIGHTS),
        "parameters": sum(p.numel() for p in state.average.module.parameters()),
        "organs": list(plan.recipe.structures),
        "training": {**training_facts(state, plan, folders), **descent(start, teachers)},
        **(measurement_facts(folders, plan.measurement) if plan.measures else {"domain": domain_of(folders, plan.recipe)}),
        "recipe": plan.recipe.to_dict(),
    }
    (folder / CARD).write_text(text_of(card), encoding="utf-8")


def text_of(card: Mapping[str, Any]) -> str:
    """JSON to be read by people: a line for every entry, and one for every list of numbers."""
    return NUMBERS.sub(lambda found: " ".join(found.group().split()), json.dumps(card, indent=1, ensure_ascii=False)) + "\n"


def pinned_companions(wanted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The installed models that the recipe's card wants beside this one, pinned by their weights."""
    return {"companions": [{**identity(find(one["id"])), "share": one["share"]} for one in wanted]} if wanted else {}


def training_facts(state: State, plan: TrainingRecipe, folders: Sequence[Path]) -> dict[str, Any]:
    without_ct = sum(not has_ct(folder) for folder in folders)
    return {
        "cases": len(folders),
        **({"without_ct": without_ct} if without_ct else {}),
        "steps": state.step,
        **({} if plan.recipe.volumetric else {"slices": state.step * plan.training.batch}),
        "minutes": round(state.seconds / 60),
        "seed": plan.training.seed,
        "device": "CUDA" if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads",
        "software": f"DosePredict {__version__}, PyTorch {torch.__version__}",
    }


def descent(start: ModelInfo | None, teachers: Sequence[ModelInfo]) -> dict[str, Any]:
    """The models that this one comes from; empty for one that learned from doses alone."""
    began = {"started_from": identity(start)} if start else {}
    return {**began, **({"teachers": [identity(teacher) for teacher in teachers]} if teachers else {})}


def identity(model: ModelInfo) -> dict[str, str]:
    return {"id": model.id, "version": model.version, "weights_sha256": model.card["weights_sha256"]}


def domain_of(folders: Sequence[Path], recipe: Recipe) -> dict[str, list[float]]:
    """The distribution of each descriptor over the training cases that have a CT, as quantiles."""
    return distribution([_described(read_case(folder), recipe) for folder in folders if has_ct(folder)])


def _described(case: Case, recipe: Recipe) -> dict[str, float]:
    return descriptors(case, recipe.structures, occupancies_of(case, recipe.structures))
