"""``dosepredict train RECIPE.toml --data DIR --out DIR [--resume]``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="how to train; see Resources/Recipes")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="OpenKBP patients in the official CSV layout")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoints, log and weights")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")


def run(arguments: argparse.Namespace) -> int:
    from ..inference import weights
    from ..io.openkbp import find_patients, is_complete, is_training
    from ..training.dataset import load_patients
    from ..training.loop import train
    from ..training.settings import read_recipe

    plan = read_recipe(arguments.recipe)
    folders = [folder for folder in find_patients(arguments.data) if is_complete(folder)]
    learn = [folder for folder in folders if is_training(folder)]
    check = [folder for folder in folders if not is_training(folder)][: plan.training.validation_patients]
    arguments.out.mkdir(parents=True, exist_ok=True)
    patients, validation = (list(load_patients(some, plan.recipe, arguments.out / "cache")) for some in (learn, check))
    print(f"Training {plan.recipe.model} on {len(patients)} patients, validating on {len(validation)}.", flush=True)
    state = train(plan, patients, validation, arguments.out, resume=arguments.resume)
    weights.save(state.average.module, plan.recipe, arguments.out / "weights.safetensors")
    print(f"Wrote {arguments.out / 'weights.safetensors'} after {state.step} steps, {state.seconds / 60:.0f} minutes.")
    return 0
