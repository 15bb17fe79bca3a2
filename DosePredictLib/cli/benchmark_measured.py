"""``dosepredict benchmark measured --data DIR --model ID``: predicted against measured dose, in the measures of DMTP's Table 2.

The measurements are those of DIR; where it has none, they are simulated as the model's card says its training pairs were.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError, ModelError
from .options import add_benchmark, existing

if TYPE_CHECKING:
    from ..evaluation.measured_scores import Scores
    from ..inference.predictor import Predictor
    from ..training.measurement import SimulatedMeasurement
    from ..training.pairs import Pair

DATA = "folders with planned*.dcm, measured*.dcm and, for mode B, ct/; or cases with a planned dose (simulated measurements)"
NAMES = {
    "ssim": ("SSIM", 4), "rmse_percent": ("RMSE %", 3), "mae_percent": ("MAE %", 3),
    "gamma_3_2_percent": ("gamma 3 %/2 mm, %", 2), "gamma_2_2_percent": ("gamma 2 %/2 mm, %", 2),
}  # and decimals  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_benchmark(parser, data=DATA, model="dmtp")
    parser.add_argument("--corrections", type=int, metavar="M", help="corrector steps after each prediction (the model's own)")
    parser.add_argument("--noise", type=float, metavar="SIGMA", help="standard deviation of the initial noise (the model's own)")


def run(arguments: argparse.Namespace) -> int:
    from ..evaluation.measured_scores import scores_of, summaries
    from ..inference.predictor import Predictor
    from ..training.pairs import find_pairs, is_measured, read_pair

    predictor = with_settings(Predictor.load(arguments.model, arguments.device), arguments.corrections, arguments.noise)
    folders = find_pairs(Path(existing(arguments.data)))[: arguments.limit]
    measured = sum(map(is_measured, folders))
    simulation = simulation_of(predictor, needed=measured < len(folders))
    model: dict[str, Scores] = {}
    identity: dict[str, Scores] = {}
    seconds = 0.0
    for number, folder in enumerate(folders, start=1):
        pair = read_pair(folder, simulation)
        started = time.monotonic()
        dose = predicted(predictor, pair, arguments)
        seconds += time.monotonic() - started
        model[pair.label], identity[pair.label] = scores_of(dose, pair.measured), scores_of(pair.planned, pair.measured)
        errors = (scores[pair.label]["mae_percent"] for scores in (identity, model))
        print(
            "{:4d}/{}  {:10s} MAE {:.3f} % planned, {:.3f} % predicted".format(number, len(folders), pair.label, *errors),
            flush=True,
        )
    result = {
        **request_of(predictor, arguments),
        "pairs": {"measured": measured, "simulated": len(folders) - measured},
        "simulation": asdict(simulation) if measured < len(folders) else None,
        "seconds_per_patient": seconds / len(folders),
        "measures": {name: asdict(one) for name, one in summaries(model, identity).items()},
        "patients": {label: {"model": model[label], "identity": identity[label]} for label in model},
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(summary(result))
    return 0


def with_settings(predictor: Predictor, corrections: int | None, noise: float | None) -> Predictor:
    """The model with another number of corrector steps, or from another initial noise. Raises InputError for impossible ones."""
    from ..preprocessing.dose_channels import PLANNED_DOSE

    if PLANNED_DOSE not in predictor.recipe.channels:
        raise ModelError(f"The model {predictor.card['id']} predicts no measured dose; see 'dosepredict models'.")
    low, high = predictor.recipe.diffusion["sigma"]
    if noise is not None and not low < noise <= high:
        raise InputError(f"The initial noise {noise:g} is not above {low:g} and up to {high:g}, the noise the model has learned.")
    if corrections is not None and corrections < 0:
        raise InputError(f"There cannot be {corrections} corrector steps; take 0 or more.")
    changes = {"corrections": corrections, "start": noise}
    diffusion = predictor.recipe.diffusion | {key: value for key, value in changes.items() if value is not None}
    return replace(predictor, recipe=replace(predictor.recipe, diffusion=diffusion))


def simulation_of(predictor: Predictor, *, needed: bool) -> SimulatedMeasurement:
    """As the model's training pairs were simulated. Raises InputError where that is needed and its card does not say."""
    from ..training.measurement import SimulatedMeasurement

    settings = predictor.card.get("pairs", {}).get("simulation")
    if settings is None and needed:
        raise InputError(
            f"The card of {predictor.card['id']} does not say how to simulate measurements; give folders with planned*.dcm and"
            " measured*.dcm."
        )
    return SimulatedMeasurement.of(settings or {})


def predicted(predictor: Predictor, pair: Pair, arguments: argparse.Namespace) -> Any:
    from ..inference.measured import predict_measured

    settings = {key: getattr(arguments, key) for key in ("steps", "samples", "seed")}
    return predict_measured(predictor, pair.planned, pair.ct, grid=pair.grid, **settings).dose


def request_of(predictor: Predictor, arguments: argparse.Namespace) -> dict[str, Any]:
    """Which weights, asked for what."""
    card, diffusion = predictor.card, predictor.recipe.diffusion
    return {
        "model": {"id": card["id"], "version": card["version"], "weights_sha256": card["weights_sha256"]},
        "request": {
            "steps": arguments.steps or predictor.default_steps,
            "corrections": diffusion["corrections"],
            "initial_noise": diffusion.get("start", diffusion["sigma"][1]),
            "samples": arguments.samples,
            "seed": arguments.seed,
            "device": predictor.device.type,
        },
    }


def summary(result: dict[str, Any]) -> str:
    model, request, pairs = result["model"], result["request"], result["pairs"]
    settings = f"{request['steps']} steps, {request['corrections']} correction(s), initial noise {request['initial_noise']:g}"
    lines = [
        f"model       {model['id']} {model['version']}, weights {model['weights_sha256'][:16]}",
        f"sampling    {settings}, {request['samples']} sample(s), seed {request['seed']}, {request['device']}",
        f"time        {result['seconds_per_patient']:.1f} s a patient",
        f"pairs       {pairs['measured']} measured, {pairs['simulated']} with SIMULATED measurements",
        f"{'':20s}{'planned dose itself':28s}{'predicted measured dose':28s}Wilcoxon p",
    ]
    return "\n".join([*lines, *(line_of(name, one) for name, one in result["measures"].items())])


def line_of(measure: str, found: dict[str, Any]) -> str:
    """Means with their 95 % intervals."""
    name, digits = NAMES[measure]
    shown = [f"{m:.{digits}f} ({low:.{digits}f} ... {high:.{digits}f})" for m, low, high in (found["identity"], found["model"])]
    return f"{name:20s}{shown[0]:28s}{shown[1]:28s}{found['wilcoxon_p']:.2g}"
