"""``dosepredict benchmark openkbp --data DIR --model ID``: the challenge's two scores on patients in its own layout.

``benchmark measured`` is in benchmark_measured.

A model that estimates the dose before it samples (DiffDP's structure encoder) has this estimate scored beside its dose.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..registry import DEFAULT_MODEL
from . import benchmark_measured
from .options import add_benchmark

if TYPE_CHECKING:
    import numpy as np

    from ..core import DoseGrid
    from ..evaluation.openkbp import Scores
    from ..inference.predictor import Prediction, Predictor
    from ..io.openkbp import OpenKbpPatient


def add_arguments(parser: argparse.ArgumentParser) -> None:
    benchmarks = parser.add_subparsers(metavar="BENCHMARK", required=True)
    openkbp = benchmarks.add_parser("openkbp", help="predicted plan dose, by the scores of the OpenKBP challenge")
    add_benchmark(openkbp, data="folder with pt_N folders of CSV files, at any depth", model=DEFAULT_MODEL)
    openkbp.add_argument("--compare", type=Path, metavar="OTHER.json", help="paired test against another run's --json file")
    openkbp.add_argument(
        "--predictions", type=Path, metavar="OUT", help="write pt_N.csv in the challenge's submission format here"
    )
    openkbp.add_argument(
        "--without-ct", action="store_true", help="score patients whose ct.csv is missing, too, as water where dose may be"
    )
    openkbp.set_defaults(benchmark=run_openkbp)
    measured = benchmarks.add_parser("measured", help="predicted measured dose, beside the planned dose as the prediction")
    benchmark_measured.add_arguments(measured)
    measured.set_defaults(benchmark=benchmark_measured.run)


def run(arguments: argparse.Namespace) -> int:
    return arguments.benchmark(arguments)


def run_openkbp(arguments: argparse.Namespace) -> int:
    from ..evaluation.openkbp import Scores
    from ..inference.predictor import Predictor
    from ..io.openkbp import find_patients, read_patient, write_dose

    folders = find_patients(arguments.data)[: arguments.limit]
    water = without_ct(folders, allowed=arguments.without_ct)
    other = read_run(arguments.compare) if arguments.compare else None
    predictor = Predictor.load(arguments.model, arguments.device)
    if arguments.predictions:
        arguments.predictions.mkdir(parents=True, exist_ok=True)
    scores, estimates, started = Scores(), Scores(), time.monotonic()
    for number, folder in enumerate(folders, start=1):
        patient = read_patient(folder, water_for_ct=arguments.without_ct)
        prediction = predicted(predictor, patient, arguments)
        gray = where_possible(prediction.dose, patient)
        if arguments.predictions:
            write_dose(arguments.predictions / f"{patient.id}.csv", gray)
        if patient.case.reference is not None:
            add(scores, patient, gray)
            if prediction.estimate is not None:
                add(estimates, patient, where_possible(prediction.estimate, patient))
            print(f"{number:4d}/{len(folders)}  {patient.id:8s} {scores.dose_errors[patient.id]:6.3f} Gy", flush=True)
    seconds = (time.monotonic() - started) / len(folders)
    result = {**identity(predictor, arguments), "seconds_per_patient": seconds, "without_ct": water}
    if scores.dose_errors:
        result.update(scored(scores))
        if other:
            result["comparison"] = comparison(result, other)
    if estimates.dose_errors:
        result["estimate"] = scored(estimates)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(summary(result))
    return 0


def without_ct(folders: Sequence[Path], *, allowed: bool) -> list[str]:
    """Names of patients whose CT is missing. Raises InputError, before any is predicted, where they are not ``allowed``."""
    from ..core import InputError
    from ..io.openkbp import is_complete

    names = [folder.name for folder in folders if not is_complete(folder, ("ct",))]
    if names and not allowed:
        raise InputError(
            f"{len(names)} of {len(folders)} patients have no ct.csv ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''});"
            " leave them out, or add --without-ct to score them as bodies of water where their possible_dose_mask is."
        )
    return names


def read_run(path: Path) -> dict[str, Any]:
    """What another run wrote with --json. Raises InputError where it did not."""
    from ..core import InputError

    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read; --compare takes what another benchmark wrote with --json.") from error
    if not isinstance(run, dict):
        raise InputError(f"{path.name} is not what a benchmark writes with --json.")
    return run


def comparison(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    from ..evaluation.openkbp_statistics import PatientErrors, compare

    differences = compare(PatientErrors.of(ours), PatientErrors.of(theirs))
    return {"with": theirs.get("model"), **{score: asdict(one) for score, one in differences.items()}}


def predicted(predictor: Predictor, patient: OpenKbpPatient, arguments: argparse.Namespace) -> Prediction:
    """On the patient's own grid."""
    return predictor.predict(
        patient.case,
        steps=arguments.steps,
        samples=arguments.samples,
        seed=arguments.seed,
        grid=patient.case.ct.grid,
        trust_air=True,
    )


def where_possible(dose: DoseGrid, patient: OpenKbpPatient) -> np.ndarray:
    """[k, j, i] Gy; the possible_dose_mask is applied here and seen nowhere else."""
    return dose.gray * patient.possible_dose_mask


def add(scores: Scores, patient: OpenKbpPatient, gray: np.ndarray) -> None:
    scores.add(
        patient.id,
        reference=patient.case.reference.gray,  # type: ignore[union-attr]
        predicted=gray,
        mask=patient.possible_dose_mask,
        masks=patient.masks,
        voxel_mm=patient.case.ct.grid.spacing,
    )


def scored(scores: Scores) -> dict[str, Any]:
    """Scores with their parts, intervals and groups of patients, ready for JSON."""
    from ..evaluation.openkbp import OAR_NAMES
    from ..evaluation.openkbp_statistics import statistics

    found = scores.to_dict()
    return {**found, **statistics(found, OAR_NAMES)}


def identity(predictor: Predictor, arguments: argparse.Namespace) -> dict[str, Any]:
    """Which weights, asked for what."""
    card = predictor.card
    return {
        "model": {"id": card["id"], "version": card["version"], "weights_sha256": card["weights_sha256"]},
        "request": {
            "steps": arguments.steps or predictor.default_steps,
            "samples": arguments.samples,
            "seed": arguments.seed,
            "device": predictor.device.type,
        },
    }


def summary(result: dict[str, Any]) -> str:
    model, request = result["model"], result["request"]
    lines = [
        f"model       {model['id']} {model['version']}, weights {model['weights_sha256'][:16]}",
        f"sampling    {request['steps']} steps, {request['samples']} sample(s), seed {request['seed']}, {request['device']}",
        f"time        {result['seconds_per_patient']:.1f} s a patient",
    ]
    if "dose_score_gy" in result:
        lines += [
            f"patients    {result['patients']}{as_water(result['without_ct'])}",
            score_line("dose score", result["dose_score_gy"], result["interval_gy"]["dose"]),
            score_line("DVH score", result["dvh_score_gy"], result["interval_gy"]["dvh"]),
            *(group_line(name, group) for name, group in result["groups"].items()),
        ]
    if "estimate" in result:
        lines += estimate_lines(result["estimate"])
    if "comparison" in result:
        lines += comparison_lines(result["comparison"])
    return "\n".join(lines)


def as_water(names: Sequence[str]) -> str:
    return f", {len(names)} of them without a CT, as bodies of water" if names else ""


def score_line(name: str, gray: float, interval: list[float]) -> str:
    return f"{name:10s}  {gray:.4f} Gy   95 % {interval[0]:.2f} ... {interval[1]:.2f} Gy (bootstrap over patients)"


def group_line(name: str, group: dict[str, Any]) -> str:
    return f"  {name:18s} n = {group['patients']:3d}   dose {group['dose_score_gy']:.2f} Gy   DVH {group['dvh_score_gy']:.2f} Gy"


def estimate_lines(result: dict[str, Any]) -> list[str]:
    return [
        "its structure encoder's own estimate, without sampling",
        score_line("  dose", result["dose_score_gy"], result["interval_gy"]["dose"]),
        score_line("  DVH", result["dvh_score_gy"], result["interval_gy"]["dvh"]),
    ]


def comparison_lines(compared: dict[str, Any]) -> list[str]:
    model = compared["with"] or {}
    title = f"less {model.get('id', 'the other')} {model.get('version', '')}".rstrip()
    return [f"{title}, {compared['dose']['patients']} patients; below zero is better"] + [
        f"  {name:5s} {one['difference_gy']:+.3f} Gy   95 % {one['interval_gy'][0]:+.3f} ... {one['interval_gy'][1]:+.3f} Gy"
        f"   Wilcoxon p = {one['wilcoxon_p']:.2g}"
        for name, one in (("dose", compared["dose"]), ("DVH", compared["dvh"]))
    ]
