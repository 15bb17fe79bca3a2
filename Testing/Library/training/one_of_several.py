"""What ``torchrun`` starts in test_distributed: ``one_of_several.py OUT`` trains tiny networks on made-up patients.

Each process has a folder OUT/<rank> for what it writes as training goes, and puts the gradients of a step there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.models import build
from DosePredictLib.training import distributed
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.loop import train
from DosePredictLib.training.settings import Settings, TrainingRecipe
from DosePredictLib.training.slices import SliceDiffusion
from DosePredictLib.training.volumes import VolumeDose

PATIENTS = [
    Patient(
        f"p{n}",
        rng.normal(size=(8, 12, 16, 16)).astype(np.float16),
        rng.normal(size=(8, 16, 16)).astype(np.float16),
        np.ones((8, 16, 16), bool),
    )
    for n, rng in enumerate(map(np.random.default_rng, range(3)))
]
SETTINGS = Settings(seed=5, steps=2, batch=4, patients=2)
SLICES = Recipe(model="dosediff", network={"distance_maps": 11, "widths": (16, 16), "time_width": 16})
VOLUMES = Recipe(model="unet", network={"channels": 12, "widths": (8, 8)}, volumetric=True)


def gradient(task_of: type, recipe: Recipe) -> torch.Tensor:
    """All gradients of a network in step 1, averaged over the processes."""
    torch.manual_seed(0)
    network = build(recipe.model, recipe.network)
    for parameter in network.parameters():  # no layer starts at zero, so that every gradient says something
        torch.nn.init.normal_(parameter, std=0.2)
    task = task_of(TrainingRecipe(recipe, SETTINGS, Augmentation()), PATIENTS, torch.device("cpu"))
    task.loss(network, 1).backward()
    distributed.average_gradients(network)
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


if __name__ == "__main__":
    with distributed.processes():
        out = Path(sys.argv[1]) / str(distributed.rank())
        out.mkdir()
        gradients = {"slices": gradient(SliceDiffusion, SLICES), "volumes": gradient(VolumeDose, VOLUMES)}
        torch.save(gradients, out / "gradients.pt")
        train(TrainingRecipe(VOLUMES, SETTINGS, Augmentation()), PATIENTS, [], out, resume=False)
