"""A CT brought to a network's voxels, a dose to finer ones: ours beside SimpleITK on all processors, seconds and difference.

    python Testing/Benchmarks/resampling.py

Prints Markdown; each time is the least of five.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from DosePredictLib.core import Grid, Volume
from DosePredictLib.preprocessing.channels import along_patient
from DosePredictLib.preprocessing.resample import averaging, by_itk, resample

NETWORK_MM = (3.90625, 3.90625, 2.5)
SCANS = {
    "CT 256 x 256 x 104 to the network": Grid((256, 256, 104), (1.95, 1.95, 3.0), (0.0, 0.0, 0.0)),
    "CT 512 x 512 x 150 to the network": Grid((512, 512, 150), (0.98, 0.98, 2.5), (0.0, 0.0, 0.0)),
    "CT 512 x 512 x 180 to the network": Grid((512, 512, 180), (1.27, 1.27, 1.5), (0.0, 0.0, 0.0)),
}


def theirs(volume: Volume, grid: Grid) -> np.ndarray:
    return by_itk(volume, grid, averaging(volume.grid, grid), 0.0)


def ours(volume: Volume, grid: Grid) -> np.ndarray:
    return resample(volume, grid, outside=0.0)


def seconds(resampled: Callable[[Volume, Grid], np.ndarray], volume: Volume, grid: Grid) -> tuple[float, np.ndarray]:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        found = resampled(volume, grid)
        times.append(time.perf_counter() - started)
    return min(times), found


def main() -> None:
    whole = SCANS["CT 512 x 512 x 150 to the network"]
    cases = {words: (scan, along_patient(scan, NETWORK_MM)) for words, scan in SCANS.items()}
    cases["dose of the network to 2.5 mm"] = (along_patient(whole, NETWORK_MM), whole.resampled((2.5, 2.5, 2.5)))
    print("| what | ours, s | SimpleITK, s | largest difference, of 1000 |\n|---|---|---|---|")
    for words, (old, new) in cases.items():
        volume = Volume(np.random.default_rng(0).uniform(0, 1000, old.shape).astype(np.float32), old)
        (fast, found), (slow, known) = seconds(ours, volume, new), seconds(theirs, volume, new)
        print(f"| {words} | {fast:.2f} | {slow:.2f} | {np.abs(found - known).max():.0e} |", flush=True)


if __name__ == "__main__":
    main()
