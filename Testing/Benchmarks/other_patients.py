"""What a model makes of patients as the clinic brings them and the challenge does not, beside the same patients unchanged.

    python Testing/Benchmarks/other_patients.py --data validation-pats [--model ID] [--only WORDS ...] [--limit N]

OpenKBP's patients by its official scores, one thing changed at a time that leaves the planned dose right. Less unchanged:
95 % intervals by bootstrap over patients, p by Wilcoxon's signed-rank test. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from DosePredictLib.cli.benchmark import add, where_possible
from DosePredictLib.core import Case, DoseGrid, Prescription, Volume
from DosePredictLib.evaluation.openkbp import Scores
from DosePredictLib.evaluation.openkbp_statistics import Difference, PatientErrors, compare
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.io.openkbp import find_patients, patient_number, read_patient
from DosePredictLib.preprocessing.channels import network_grid
from DosePredictLib.preprocessing.dose_channels import gray_on
from DosePredictLib.registry import DEFAULT_MODEL

EMPTY_HU = -1000.0  # OpenKBP's CT outside the patient
UNCHANGED = "unchanged"
OTHER_VOXELS = "predicted on the network's voxels, then interpolated to the patient's"
LOWER = 60.0 / 70.0


@dataclass(frozen=True)
class Change:
    """case: what becomes of a patient. own_grid: whether the network sees its recipe's voxels instead of the patient's.

    scale: of the dose that is asked for. planned: whether the planned dose stands in the place of a prediction.
    """

    case: Callable[[Case], Case] = lambda case: case
    own_grid: bool = False
    scale: float = 1.0
    planned: bool = False


def with_hu(change: Callable[[np.ndarray, Case], np.ndarray]) -> Callable[[Case], Case]:
    """The CT changed wherever it shows something."""

    def changed(case: Case) -> Case:
        hu = case.ct.array
        return replace(case, ct=Volume(np.where(hu > EMPTY_HU, change(hu, case), hu).astype(np.float32), case.ct.grid))

    return changed


def noise(hu: np.ndarray, case: Case) -> np.ndarray:
    return hu + np.random.default_rng(patient_number(Path(case.label))).normal(0, 30, hu.shape)


def without(*organs: str) -> Callable[[Case], Case]:
    """Organs by the model's names; all of them where none is given."""
    return lambda case: replace(case, names={n: roi for n, roi in case.names.items() if organs and n not in organs})


def prescribed_less(case: Case) -> Case:
    targets = (replace(target, dose_gy=LOWER * target.dose_gy) for target in case.prescription.targets)
    return replace(case, prescription=Prescription(tuple(targets)))


CHANGES = {
    UNCHANGED: Change(),
    "CT 20 HU higher": Change(with_hu(lambda hu, _: hu + 20)),
    "CT 20 HU lower": Change(with_hu(lambda hu, _: hu - 20)),
    "CT 50 HU higher": Change(with_hu(lambda hu, _: hu + 50)),
    "CT with noise of 30 HU": Change(with_hu(noise)),
    "CT of water": Change(with_hu(lambda hu, _: 0 * hu)),
    OTHER_VOXELS: Change(own_grid=True),
    "the planned dose taken there and back": Change(own_grid=True, planned=True),
    "prescribed 60 Gy instead of 70, all levels alike": Change(prescribed_less, scale=LOWER),
    "without parotids": Change(without("Parotid_L", "Parotid_R")),
    "without spinal cord": Change(without("SpinalCord")),
    "without any organ": Change(without()),
}


def answer(predictor: Predictor, case: Case, change: Change) -> DoseGrid:
    """What is predicted for the changed patient, or stands in its place, on the voxels that the network saw."""
    grid = network_grid(case, predictor.recipe) if change.own_grid else case.ct.grid
    if change.planned and case.reference is not None:
        return DoseGrid(gray_on(case.reference, grid), grid)
    dose = predictor.predict(change.case(case), grid=grid, trust_air=True).dose
    return DoseGrid(dose.gray / np.float32(change.scale), grid)


def line(words: str, errors: PatientErrors, usual: PatientErrors) -> str:
    scores = " | ".join(f"{score:.2f}" for score in errors.scores)
    compared = compare(errors, usual)
    predicted_otherwise = words != UNCHANGED and not CHANGES[words].planned
    less = " | ".join(difference(compared[name]) if predicted_otherwise else "–" for name in ("dose", "dvh"))
    return f"| {words} | {scores} | {less} |"


def difference(found: Difference) -> str:
    low, high = found.interval_gy
    return f"{found.difference_gy:+.2f} ({low:+.2f} ... {high:+.2f}), p {found.wilcoxon_p:.1g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="OpenKBP patients as CSV, with dose")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="ID")
    parser.add_argument(
        "--only", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="WORDS", help="changes, by their words"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="patients")
    arguments = parser.parse_args()
    chosen = dict.fromkeys((UNCHANGED, *arguments.only))
    predictor, scores = Predictor.load(arguments.model), {words: Scores() for words in chosen}
    folders = find_patients(arguments.data)[: arguments.limit]
    for folder in folders:
        patient = read_patient(folder)
        for words in chosen:
            gray = gray_on(answer(predictor, patient.case, CHANGES[words]), patient.case.ct.grid)
            add(scores[words], patient, where_possible(DoseGrid(gray, patient.case.ct.grid), patient))
        print(patient.id, file=sys.stderr, flush=True)
    errors = {words: PatientErrors.of(found.to_dict()) for words, found in scores.items()}
    print(f"`{arguments.model}`, n = {len(folders)}\n")
    print("| patients | dose score | DVH score | dose less unchanged | DVH less unchanged |\n|---|---|---|---|---|")
    print("\n".join(line(words, found, errors[UNCHANGED]) for words, found in errors.items()))


if __name__ == "__main__":
    main()
