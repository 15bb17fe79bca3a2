"""What is usual for targets, and its trend over patients: how far the criteria of OpenKBP's DVH score are from both.

    python Testing/Benchmarks/target_trend.py --data OPENKBP [--cache FOLDER]

Mean error in Gy of D99%, D95% and D1% of each target by what is usual for all and by the trend: of the training patients by
cross-validation, a tenth of them at a time, and of the validation patients by all training patients. No network has a say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from torch import Tensor

from DosePredictLib.core import TARGET_SLOTS, Recipe
from DosePredictLib.inference.target_trend import features_of, target_in
from DosePredictLib.inference.usual_targets import SHARES, UsualTargets, usual_targets
from DosePredictLib.preprocessing.intensity import unit_to_dose
from DosePredictLib.training.dataset import HIGHEST_GY, find_cases, load_patients
from DosePredictLib.training.settings import read_recipe
from DosePredictLib.training.volumes import tensor_of

RECIPE = Path(__file__).resolve().parents[2] / "Resources" / "Recipes" / "resdose.toml"
CRITERIA = {"D99%": 0.01, "D95%": 0.05, "D1%": 0.99}  # of the volume, coldest first
PARTS = 10
Pair = tuple[Tensor, Tensor]  # channels, dose


def errors(known: Sequence[Pair], others: Sequence[Pair], recipe: Recipe) -> np.ndarray:
    """(others, slots, criteria, 2) Gy: error by what is usual among the known, and by its trend; NaN without the target."""
    learned = usual_targets(known, recipe, 1.0)
    found = [of_targets(learned, *one, recipe) for one in others]
    return np.abs(np.array(found)) * HIGHEST_GY


def of_targets(learned: UsualTargets, condition: Tensor, dose: Tensor, recipe: Recipe) -> list[np.ndarray]:
    """(criteria, 2) of each slot, as shares of the highest prescription."""
    features, volumes = features_of(condition, recipe), list(CRITERIA.values())
    found = []
    for slot in TARGET_SLOTS:
        inside, own = target_in(condition, slot, recipe)
        if not own:
            found.append(np.full((len(CRITERIA), 2), np.nan))
            continue
        planned = np.quantile(unit_to_dose(dose[inside].numpy(), 1.0, recipe), volumes)
        curves = learned.dvh[slot], learned.expected(slot, features)
        found.append(np.stack([own * np.interp(volumes, SHARES, curve) - planned for curve in curves], axis=1))
    return found


def cross_validated(patients: Sequence[Pair], recipe: Recipe) -> np.ndarray:
    parts = np.array_split(np.random.default_rng(0).permutation(len(patients)), PARTS)
    known = [[patients[n] for n in set(range(len(patients))).difference(part)] for part in parts]
    return np.concatenate([errors(k, [patients[n] for n in part], recipe) for k, part in zip(known, parts, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="OpenKBP as CSV, training and validation patients")
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/target_trend"), help="for channels; those of a training run serve"
    )
    arguments = parser.parse_args()
    plan = read_recipe(RECIPE)
    learn, check = (
        [(one[:-2], one[-2]) for one in map(tensor_of, load_patients(folders, plan.recipe, arguments.cache))]
        for folders in find_cases(arguments.data, without_ct=plan.training.without_ct)
    )
    print(f"Mean error (Gy), usual / trend; n = {len(learn)} by cross-validation, {len(check)} for validation")
    both = cross_validated(learn, plan.recipe), errors(learn, check, plan.recipe)
    for number, slot in enumerate(TARGET_SLOTS):
        for place, name in enumerate(CRITERIA):
            print(
                f"{slot:9} {name:5}" + "".join("   {:.2f} / {:.2f}".format(*np.nanmean(one[:, number, place], 0)) for one in both)
            )
    print("all           " + "".join("   {:.2f} / {:.2f}".format(*np.nanmean(one, (0, 1, 2))) for one in both))


if __name__ == "__main__":
    main()
