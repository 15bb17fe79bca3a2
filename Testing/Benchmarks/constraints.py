"""What clinical goals in the loss are worth: how often, and by how much, predictions miss goals that the plan itself meets.

    python Testing/Benchmarks/constraints.py --data VALIDATION --models FOLDER ... [--goals TABLE] [--limit N] [--json FILE]

FOLDER is a model as a training run leaves it, or one of Resources/Models. A miss is counted as its loss has it: the part of the
limit that is exceeded or lacking, of volumes the part of the structure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from results import model_in, reference_of

from DosePredictLib import registry
from DosePredictLib.core import DoseGrid, Volume
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.goals import Goal, GoalResult, evaluate_goals, read_goals, templates
from DosePredictLib.inference.descriptors import occupancies_of
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.io.openkbp import OpenKbpPatient, find_patients, is_complete, read_patient
from DosePredictLib.training.constraints import scale_of


@dataclass(frozen=True)
class Missed:
    """Goals that the plan meets, of one kind: how many, how many of them the prediction misses, and by how much on average."""

    met: int
    missed: int
    mean_miss: float

    @classmethod
    def of(cls, results: Sequence[GoalResult]) -> Missed:
        judged = [result for result in results if result.is_met_by_plan and result.is_met is not None]
        misses = [max(0.0, -result.margin / scale_of(result.goal)) for result in judged]
        return cls(len(judged), sum(miss > 0 for miss in misses), float(np.mean(misses)) if misses else 0.0)


def predictor_in(folder: Path) -> Predictor:
    model, device = model_in(folder), torch.device("cpu")
    registry.verify(model)
    return Predictor.of(model, device)


def histograms(dose: DoseGrid, occupancies: Mapping[str, Volume]) -> dict[str, Dvh]:
    return {roi: Dvh.of(dose, occupancy) for roi, occupancy in occupancies.items()}


def judged(
    patient: OpenKbpPatient, predictors: Mapping[str, Predictor], goals: Sequence[Goal]
) -> Iterator[tuple[str, GoalResult]]:
    """Model and goal, for each of the models on this patient."""
    occupancies = occupancies_of(patient.case, [goal.structure for goal in goals])
    planned = histograms(reference_of(patient.case), occupancies)
    for name, predictor in predictors.items():
        dose = predictor.predict(patient.case, grid=patient.case.ct.grid, trust_air=True).dose
        found = histograms(DoseGrid(dose.gray * patient.possible_dose_mask, dose.grid), occupancies)
        yield from ((name, result) for result in evaluate_goals(goals, patient.case, found, planned))


def table(results: Mapping[str, Sequence[GoalResult]]) -> Iterator[str]:
    """Markdown: a line for each goal and one for all; a column for each model."""
    yield f"| goal | met by the plan | {' | '.join(results)} |"
    yield "|---" * (2 + len(results)) + "|"
    met = (result.goal for found in results.values() for result in found if result.is_met_by_plan)
    for goal in [*dict.fromkeys(met), None]:
        chosen = [Missed.of([one for one in found if goal in (None, one.goal)]) for found in results.values()]
        words = "all" if goal is None else f"{goal.structure} {goal.metric.name} {goal.limit}"
        cells = [f"{one.missed} ({100 * one.missed / max(one.met, 1):.0f} %), {100 * one.mean_miss:.2f} %" for one in chosen]
        yield f"| {words} | {chosen[0].met} | {' | '.join(cells)} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="OpenKBP patients as CSV")
    options.add_argument("--models", nargs="+", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--goals", default="head_and_neck", help="a table of Resources/ClinicalGoals, or the path of another")
    options.add_argument("--limit", type=int, metavar="N", help="only the first N patients")
    options.add_argument("--json", type=Path, metavar="FILE", help="keeps every value")
    arguments = options.parse_args()
    goals = read_goals(templates().get(arguments.goals, Path(arguments.goals)))
    predictors = {predictor.card["id"]: predictor for predictor in map(predictor_in, arguments.models)}
    results: dict[str, list[GoalResult]] = defaultdict(list)
    for path in [path for path in find_patients(arguments.data) if is_complete(path)][: arguments.limit]:
        for name, result in judged(read_patient(path), predictors, goals):
            results[name].append(result)
        print(path.name, file=sys.stderr, flush=True)
    print("\n".join(table(results)))
    if arguments.json:
        values = {name: [result.to_dict() for result in found] for name, found in results.items()}
        arguments.json.write_text(json.dumps(values), encoding="utf-8")


if __name__ == "__main__":
    main()
