"""``dosepredict benchmark openkbp --data DIR --model ID``: the challenge's two scores on patients in its own layout."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..io.openkbp import OpenKbpPatient


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("challenge", choices=["openkbp"])
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with pt_N folders of CSV files, at any depth"
    )
    parser.add_argument("--model", default="dosediff", metavar="ID")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N patients")
    parser.add_argument("--steps", type=int, metavar="N", help="sampling steps; the model's own number by default")
    parser.add_argument("--samples", type=int, default=1, metavar="N", help="samples whose mean is scored")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores and their parts here")
    parser.add_argument(
        "--predictions", type=Path, metavar="OUT", help="write pt_N.csv in the challenge's submission format here"
    )


def run(arguments: argparse.Namespace) -> int:
    from ..evaluation.openkbp import Scores
    from ..inference.predictor import Predictor
    from ..io.openkbp import find_patients, read_patient, write_dose

    folders = find_patients(arguments.data)[: arguments.limit]
    predictor = Predictor.load(arguments.model, arguments.device)
    if arguments.predictions:
        arguments.predictions.mkdir(parents=True, exist_ok=True)
    scores, started = Scores(), time.monotonic()
    for number, folder in enumerate(folders, start=1):
        patient = read_patient(folder)
        gray = predicted_dose(predictor, patient, arguments)
        if arguments.predictions:
            write_dose(arguments.predictions / f"{patient.id}.csv", gray)
        if patient.case.reference is not None:
            add(scores, patient, gray)
            print(f"{number:4d}/{len(folders)}  {patient.id:8s} {scores.dose_errors[patient.id]:6.3f} Gy", flush=True)
    result = {**identity(predictor, arguments), "seconds_per_patient": (time.monotonic() - started) / len(folders)}
    if scores.dose_errors:
        result.update(scores.to_dict())
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(summary(result))
    return 0


def predicted_dose(predictor: Predictor, patient: OpenKbpPatient, arguments: argparse.Namespace) -> Any:
    """[k, j, i] Gy on the patient's own grid; the possible_dose_mask is applied here and seen nowhere else."""
    prediction = predictor.predict(
        patient.case,
        steps=arguments.steps,
        samples=arguments.samples,
        seed=arguments.seed,
        grid=patient.case.ct.grid,
        trust_air=True,
    )
    return prediction.dose.gray * patient.possible_dose_mask


def add(scores: Any, patient: OpenKbpPatient, gray: Any) -> None:
    scores.add(
        patient.id,
        reference=patient.case.reference.gray,  # type: ignore[union-attr]
        predicted=gray,
        mask=patient.possible_dose_mask,
        masks=patient.masks,
        voxel_mm=patient.case.ct.grid.spacing,
    )


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
            f"patients    {result['patients']}",
            f"dose score  {result['dose_score_gy']:.4f} Gy",
            f"DVH score   {result['dvh_score_gy']:.4f} Gy",
        ]
    return "\n".join(lines)
