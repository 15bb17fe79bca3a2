"""``dosepredict train RECIPE.toml --data DIR --out DIR [--from ID] [--teachers ID ...] [--resume]``, also under ``torchrun``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="how to train; see Resources/Recipes")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="OpenKBP as CSV, or a folder of DICOM cases or dose pairs"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for checkpoints, log and the model")
    parser.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="TABLE.KEY=VALUE",
        help="a line of TOML that takes the place of the recipe's, e.g. training.steps=1500; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="start", metavar="ID",
        help="begin with the weights of this installed model, whose network must fit; further training, or your own plans",
    )  # fmt: skip
    parser.add_argument(
        "--teachers", nargs="+", default=[], metavar="ID",
        help="installed models of the same channels that teach beside the planned doses: an ensemble becomes one model",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")


def run(arguments: argparse.Namespace) -> int:
    from ..training.distributed import processes

    with processes():
        return _train(arguments)


def _train(arguments: argparse.Namespace) -> int:
    from .. import registry
    from ..training.card import pinned_companions, write_model
    from ..training.dataset import CACHE, find_cases, load_patients
    from ..training.distributed import leader_first, leads
    from ..training.loop import train
    from ..training.pairs import load_pairs
    from ..training.settings import read_recipe
    from ..training.volumes import usual_among

    plan = read_recipe(arguments.recipe, arguments.changes)
    start = registry.find(arguments.start) if arguments.start else None
    teachers = [registry.find(name) for name in arguments.teachers]
    pinned_companions(plan.card.get("companions", ()))  # before hours of training
    learn, check = find_cases(arguments.data, without_ct=plan.training.without_ct)
    arguments.out.mkdir(parents=True, exist_ok=True)
    cache = arguments.out / CACHE
    with leader_first():
        load = partial(load_pairs, plan=plan) if plan.measures else partial(load_patients, recipe=plan.recipe)
        patients = list(load(learn, cache=cache))
        validation = list(load(check[: plan.training.validation_patients], cache=cache))
    if leads():
        print(f"Training {plan.recipe.model} on {len(patients)} cases, validating on {len(validation)}.", flush=True)
    state = train(
        plan,
        patients,
        validation,
        arguments.out,
        resume=arguments.resume,
        start=start.weights if start else None,
        teachers=[teacher.weights for teacher in teachers],
    )
    if leads():
        model = arguments.out / "model"
        share = plan.card.get("usual_targets", 0.0)
        usual = usual_among(patients, plan.recipe, share) if share else None
        write_model(state, plan, learn, model, start, teachers, usual)
        print(f"{state.step} steps in {state.seconds / 60:.0f} minutes. The model is in {model}; install it with")
        print(f"  dosepredict models import {model}")
    return 0
