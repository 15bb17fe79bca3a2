"""What simple fields can say of a plan: how near their dose comes to the real one, fitted to it, and optimised without seeing it.

    python Testing/Benchmarks/planning.py --data OPENKBP [--limit N]

Mean |difference| in Gy over every second voxel (along each axis) of possible_dose_mask.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.io.openkbp import find_patients, read_patient
from DosePredictLib.preprocessing.beams import beams_on, voxel_points
from DosePredictLib.preprocessing.fluence import Objective, best_fluence, influence
from DosePredictLib.preprocessing.planning import Objectives, lattice, objective_at
from DosePredictLib.training.settings import read_recipe

RECIPE = Path(__file__).resolve().parents[2] / "Resources" / "Recipes" / "resdose.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=10)
    options = parser.parse_args()
    plans = [Objectives(**plan) for plan in read_recipe(RECIPE).recipe.planning["plans"]]
    errors = [errors_of(folder, plans) for folder in find_patients(options.data)[: options.limit]]
    for name, values in zip(
        ["fitted to the dose", *(f"plan {n}" for n in range(1, 1 + len(plans)))], np.transpose(errors), strict=True
    ):
        print(f"{name:20s} {values.mean():5.2f} Gy   ({values.min():.2f} ... {values.max():.2f}), n = {len(values)}")


def errors_of(folder: Path, plans: list[Objectives]) -> list[float]:
    """Gy: of the fluence fitted to the patient's dose, then of each plan."""
    started = time.monotonic()
    patient = read_patient(folder)
    case, grid = patient.case, patient.case.ct.grid
    levels = {target.roi: target.dose_gy for target in reversed(case.prescription.targets)}
    wanted = np.zeros(grid.shape, np.float32)
    for roi, gray in levels.items():
        wanted[patient.masks[roi]] = gray
    voxels = np.flatnonzero(patient.possible_dose_mask & lattice(grid.shape))
    beams = beams_on(case.ct, wanted > 0)
    matrix = influence(beams, voxel_points(grid, voxels))
    real = case.reference.gray.ravel()[voxels].astype(np.float32)
    organs = {name: patient.masks[roi].ravel()[voxels] for name, roi in case.names.items()}
    ones = np.ones(len(voxels), np.float32)
    wishes = [
        (Objective(real, ones, ones), 200),
        *((objective_at(wanted.ravel()[voxels], organs, p), p.iterations) for p in plans),
    ]
    errors = [float(np.abs(matrix @ best_fluence(matrix, beams, wish, n) - real).mean()) for wish, n in wishes]
    print(f"{patient.id:8s} {' '.join(f'{error:5.2f}' for error in errors)}   {time.monotonic() - started:.1f} s", flush=True)
    return errors


if __name__ == "__main__":
    main()
