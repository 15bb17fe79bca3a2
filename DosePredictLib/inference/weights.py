"""Weights on disk: safetensors with the recipe in their header, and a model card that holds their SHA-256."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..core import ModelError, Recipe
from ..diffusion.gaussian import GaussianDiffusion, linear_betas
from ..models import build


def diffusion_of(recipe: Recipe) -> GaussianDiffusion:
    settings = recipe.diffusion
    first, last = settings["beta"]
    return GaussianDiffusion(linear_betas(settings["timesteps"], first, last), settings["output"])


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


def load(path: Path, device: torch.device) -> tuple[nn.Module, Recipe]:
    """The network, ready to use, and its recipe. Raises ModelError for a damaged file or one of another architecture."""
    try:
        with safe_open(path, framework="pt") as stored:
            recipe = Recipe.from_dict(json.loads((stored.metadata() or {})["recipe"]))
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        network = build(recipe.model, recipe.network)
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"The weights {path.name} are damaged or of another version; install the model again.") from error
    return on_device(network, device).eval(), recipe
