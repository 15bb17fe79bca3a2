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
import SimpleITK as sitk

from DosePredictLib.core import Grid, Volume
from DosePredictLib.preprocessing.channels import along_patient
from DosePredictLib.preprocessing.resample import resample, to_image

NETWORK_MM = (3.90625, 3.90625, 2.5)
SCANS = {
    "CT 256 x 256 x 104 to the network": Grid((256, 256, 104), (1.95, 1.95, 3.0), (0.0, 0.0, 0.0)),
    "CT 512 x 512 x 150 to the network": Grid((512, 512, 150), (0.98, 0.98, 2.5), (0.0, 0.0, 0.0)),
    "CT 512 x 512 x 180 to the network": Grid((512, 512, 180), (1.27, 1.27, 1.5), (0.0, 0.0, 0.0)),
}


def by_itk(volume: Volume, grid: Grid) -> np.ndarray:
    variance = np.maximum(0, np.array(grid.spacing) ** 2 - np.array(volume.grid.spacing) ** 2) / 12
    image = to_image(volume)
    if variance.any():
        image = sitk.DiscreteGaussian(image, variance.tolist())
    reference = sitk.Image(list(grid.size), sitk.sitkUInt8)
    reference.SetSpacing(grid.spacing)
    reference.SetOrigin(grid.origin)
    reference.SetDirection(grid.direction)
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32))


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
        (fast, found), (slow, known) = seconds(ours, volume, new), seconds(by_itk, volume, new)
        print(f"| {words} | {fast:.2f} | {slow:.2f} | {np.abs(found - known).max():.0e} |", flush=True)


if __name__ == "__main__":
    main()
