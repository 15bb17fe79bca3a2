"""What ADDiff-Dose's autoencoder loses of a dose, beside principal components of as many numbers a block of voxels.

    python Testing/Benchmarks/autoencoder.py --data OPENKBP --model FOLDER [--learn 24] [--limit N]

Mean |dose error| in Gy where dose may be, of patients that neither has learned from. FOLDER is a model as a training run leaves
it, or one of Resources/Models. The components are those of ``--learn`` training patients.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from DosePredictLib.inference import weights
from DosePredictLib.models.addiff_dose import FACTOR, ADDiffDose
from DosePredictLib.training.dataset import Patient, find_cases, load_patients

NUMBERS = (4, 8, 16)  # a block


def blocks(volume: np.ndarray) -> np.ndarray:
    """(k, j, i) -> (blocks, voxels of a block)."""
    k, j, i = (side // FACTOR for side in volume.shape)
    return volume.reshape(k, FACTOR, j, FACTOR, i, FACTOR).transpose(0, 2, 4, 1, 3, 5).reshape(k * j * i, -1)


class PrincipalComponents:
    """Of the blocks in which dose may be."""

    def __init__(self, patients: list[Patient]) -> None:
        seen = np.concatenate([blocks(one.dose.astype(np.float32))[blocks(one.counts).any(axis=1)] for one in patients])
        self.mean = seen.mean(axis=0)
        self.axes = np.linalg.eigh(np.cov((seen - self.mean).T))[1][:, ::-1]

    def error(self, patient: Patient, count: int) -> float:
        dose, axes = blocks(patient.dose.astype(np.float32)), self.axes[:, :count]
        restored = (dose - self.mean) @ axes @ axes.T + self.mean
        return float(np.abs(restored - dose)[blocks(patient.counts)].mean())


def error(network: ADDiffDose, patient: Patient) -> float:
    dose = torch.from_numpy(patient.dose.astype(np.float32))
    with torch.inference_mode():
        restored = network.vae.decoder(network.vae.posterior(dose[None, None])[0])[0, 0]
    return float((restored - dose).abs()[torch.from_numpy(patient.counts)].mean())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="OpenKBP patients as CSV")
    options.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--learn", type=int, default=24, metavar="N", help="patients for the principal components")
    options.add_argument("--limit", type=int, metavar="N", help="only the first N validation patients")
    arguments = options.parse_args()
    network, recipe = weights.load(arguments.model / "weights.safetensors", torch.device("cpu"))
    learn, check = find_cases(arguments.data)
    with tempfile.TemporaryDirectory() as cache:
        components = PrincipalComponents(list(load_patients(learn[: arguments.learn], recipe, Path(cache))))
        patients = list(load_patients(check[: arguments.limit], recipe, Path(cache)))
    found = {"autoencoder": [error(cast(ADDiffDose, network), one) for one in patients]}
    found |= {f"{count} components": [components.error(one, count) for one in patients] for count in NUMBERS}
    low, high = recipe.dose_range
    for name, errors in found.items():
        gray = np.array(errors) * (high - low) / 2 * [one.highest_gy for one in patients]
        print(f"{name:14s} mean {gray.mean():5.2f}  lowest {gray.min():5.2f}  highest {gray.max():5.2f} Gy")


if __name__ == "__main__":
    main()
