"""How long dose-volume histograms and gamma take, beside dicompyler-core and pymedphys.

    python Testing/Benchmarks/evaluation.py [RTDOSE ...]

12 structures on a 512 x 512 x 120 CT with a dose of 2.5 mm, and gamma of the head-and-neck phantom and of any doses named, each
against itself moved by 1 mm and modulated by 3 %. Compares with pymedphys where the Python that runs it has it. Prints Markdown:
the time on the wall and of all processors.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.core import DoseGrid, Grid, Structure
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.gamma import gamma
from DosePredictLib.evaluation.interpolation import on_grid
from DosePredictLib.io.rtdose import read_rtdose
from DosePredictLib.phantom import make_phantom
from DosePredictLib.preprocessing.contours import rasterise

CT = Grid((512, 512, 120), (1.0, 1.0, 2.5), (-255.5, -255.5, -150.0))
DOSE = Grid((160, 130, 100), (2.5, 2.5, 2.5), (-200.3, -160.7, -125.4))
RADII = (150.0, 60.0, 45.0, 40.0, 30.0, 25.0, 20.0, 15.0, 12.0, 10.0, 8.0, 5.0)  # mm; the first is the body
INTERPOLATIONS = (10, 30)  # pymedphys: steps in the distance criterion; 10 is its default


def main() -> None:
    print(f"{os.cpu_count()} processors.\n\n| what | on the wall, s | processors, s | |\n|---|---|---|---|")
    histograms()
    doses = {"phantom": make_phantom().reference, **{Path(p).name: read_rtdose(Path(p)).dose for p in sys.argv[1:]}}
    for name, dose in doses.items():
        gammas(name, dose)


def histograms() -> None:
    dose = DoseGrid(np.random.default_rng(0).random(DOSE.shape, np.float32) + 60, DOSE)
    occupancies = [rasterise(sphere(radius, 8.0 * n), CT).volume for n, radius in enumerate(RADII)]
    timed(f"DVH of {len(RADII)} structures, occupancy given", lambda: [Dvh.of(dose, occupancy) for occupancy in occupancies])


def sphere(radius: float, x: float) -> Structure:
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    heights = CT.origin[2] + CT.spacing[2] * np.arange(CT.size[2])
    discs = ((z, np.sqrt(max(radius**2 - z**2, 0))) for z in heights)
    contours = (np.stack([x + r * np.cos(angle), r * np.sin(angle), np.full_like(angle, z)], 1) for z, r in discs if r > 0)
    return Structure(f"{radius:g} mm", tuple(contours))


def gammas(name: str, reference: DoseGrid) -> None:
    evaluated = changed(reference)
    ours = timed(f"gamma, {name}", lambda: gamma(evaluated, reference).volume.array).ravel()
    points = np.isfinite(ours)
    print(f"| | | | {points.sum()} points, {100 * np.mean(ours[points] <= 1):.2f} % at or below 1 |")
    if not importlib.util.find_spec("pymedphys"):
        return
    for interpolation in INTERPOLATIONS:
        theirs = timed(
            f"pymedphys, {name}, interp_fraction {interpolation}",
            lambda n=interpolation: pymedphys_gamma(evaluated, reference, n),
        )
        other = np.mean((ours[points] <= 1) != (theirs.ravel()[points] <= 1))
        print(f"| | | | {100 * np.mean(theirs.ravel()[points] <= 1):.2f} % at or below 1; {100 * other:.3f} % judged otherwise |")


def pymedphys_gamma(evaluated: DoseGrid, reference: DoseGrid, interpolation: int) -> np.ndarray:
    import pymedphys

    both = (part for dose in (reference, evaluated) for part in (axes(dose.grid), dose.gray))
    options = {"lower_percent_dose_cutoff": 10, "interp_fraction": interpolation, "max_gamma": 2}
    return pymedphys.gamma(*both, 3, 2, **options)


def axes(grid: Grid) -> tuple[np.ndarray, ...]:
    return tuple(grid.origin[a] + grid.spacing[a] * np.arange(grid.size[a]) for a in (2, 1, 0))


def changed(dose: DoseGrid) -> DoseGrid:
    grid = dose.grid
    moved = Grid(grid.size, grid.spacing, tuple(np.add(grid.origin, (1.0, 0.5, 0.3))), grid.direction)
    k, j, i = np.ogrid[: grid.size[2], : grid.size[1], : grid.size[0]]
    modulated = on_grid(DoseGrid(dose.gray, moved), grid) * 1.02 * (1 + 0.03 * np.sin(i / 4) * np.sin(j / 5) * np.cos(k / 3))
    return DoseGrid(modulated.astype(dose.gray.dtype), grid)


def timed(what: str, work: Callable[[], Any], *_: Any) -> Any:
    wall, processors = time.perf_counter(), time.process_time()
    result = work()
    print(f"| {what} | {time.perf_counter() - wall:.2f} | {time.process_time() - processors:.2f} | |", flush=True)
    return result


if __name__ == "__main__":
    main()
