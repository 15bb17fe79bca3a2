"""Weights on disk: safetensors with the recipe in their header, and a model card that holds their SHA-256."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..core import ModelError, Recipe
from ..diffusion.gaussian import GaussianDiffusion, linear_betas
from ..models import build

LONGEST_RECIPE = 100_000  # characters
MOST_STEPS = 100_000


def diffusion_of(recipe: Recipe) -> GaussianDiffusion:
    settings = recipe.diffusion
    first, last = settings["beta"]
    return GaussianDiffusion(linear_betas(settings["timesteps"], first, last), settings["output"], settings.get("clock", "t"))


def save(network: nn.Module, recipe: Recipe, path: Path) -> None:
    """Half precision; whole or not at all."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata={"recipe": json.dumps(recipe.to_dict())})
    part.replace(path)


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Channels last: the order convolutions are fastest in."""
    volumetric = any(parameter.ndim == 5 for parameter in network.parameters())
    order = torch.channels_last_3d if volumetric else torch.channels_last
    return network.to(device).to(memory_format=order)  # type: ignore[call-overload]


def start_from(path: Path, network: nn.Module) -> None:
    """Copy weights into a network that has the same parts, or more. Raises ModelError for weights that do not fit."""
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        unknown = network.load_state_dict(tensors, strict=False).unexpected_keys
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path.parent.name} cannot be the start: its weights do not fit this recipe's network.") from error
    if unknown:
        raise ModelError(f"{path.parent.name} cannot be the start: this recipe's network has no {unknown[0]}.")


def load(path: Path, device: torch.device) -> tuple[nn.Module, Recipe]:
    """The network, ready to use, and its recipe. Raises ModelError for a damaged file or one of another architecture."""
    try:
        with safe_open(path, framework="pt") as stored:
            recipe = _recipe_of((stored.metadata() or {})["recipe"])
            shapes = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
            _refuse_another_size(recipe, shapes)
            tensors = {name: stored.get_tensor(name).float() for name in shapes}
        network = build(recipe.model, recipe.network)
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, ArithmeticError, AttributeError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"The weights {path.name} are damaged or of another version; install the model again.") from error
    return on_device(network, device).eval(), recipe


def _recipe_of(text: str) -> Recipe:
    """Raises ValueError or TypeError for one that is too long, or holds values of another kind than a recipe does."""
    if len(text) > LONGEST_RECIPE:
        raise ValueError("the recipe is too long")
    recipe, usual = Recipe.from_dict(json.loads(text)), Recipe(model="")
    for field in fields(Recipe):
        _check_kind(getattr(recipe, field.name), getattr(usual, field.name))
    if not (0 < recipe.diffusion["timesteps"] <= MOST_STEPS and 0 < recipe.steps <= MOST_STEPS and min(recipe.spacing_mm) > 0):
        raise ValueError("the recipe has numbers that cannot be")
    return recipe


def _check_kind(value: object, usual: object) -> None:
    if isinstance(usual, tuple):
        words = all(isinstance(item, str) for item in usual)
        fits = isinstance(value, tuple) and all(isinstance(v, str) if words else _is_number(v) for v in value)
        fits = fits and (words or len(value) == len(usual))  # type: ignore[arg-type]
    else:
        fits = _is_number(value) if isinstance(usual, float) else type(value) is type(usual)
    if not fits:
        raise TypeError("the recipe holds a value of another kind")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_another_size(recipe: Recipe, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises ValueError where the recipe's network is not that of the tensors: a few bytes of text could ask for all memory."""
    with torch.device("meta"):  # without values
        network = build(recipe.model, recipe.network)
    if {name: tuple(value.shape) for name, value in network.state_dict().items()} != shapes:
        raise ValueError("the tensors are not those of the network")
