"""Time and memory of a whole prediction, stage by stage: new process, DICOM in to report out.

    python Testing/Benchmarks/pipeline.py [--model dosediff] [--fine] [CASE[:OPTION,OPTION...] ...]

Without a case: the synthetic one; with --fine also with a CT of 512 x 512, and this without an External. Options are those of
``dosepredict predict``, e.g. ``breast:--outside-domain``.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from DosePredictLib.core import BODY, Case, StructureSet, Volume
from DosePredictLib.io.case import load_case
from DosePredictLib.phantom import write_phantom
from DosePredictLib.phantom.dicom import write_case
from DosePredictLib.preprocessing.resample import resample

STAGES = ("read", "preprocess", "sample", "write", "report", "total")


def measured(case: Path, model: str, options: list[str]) -> dict[str, float]:
    """Seconds by stage and in all, as the user waits; MB at the peak."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "DosePredictLib", "predict", str(case), "--out", str(out), "--model", model]
        started = time.monotonic()
        subprocess.run([*command, "--progress", "none", *options], check=True, capture_output=True)
        wall = time.monotonic() - started
        report = json.loads((out / "report.json").read_text())
    return {**report["timing_s"], "wall": wall, "MB": report["peak_rss_mb"]}


def finer(case: Case, *, external: bool) -> Case:
    """With a CT of half the voxel size in plane, and noise as of a scanner; with its External or without."""
    x, y, z = case.ct.grid.spacing
    grid = case.ct.grid.resampled((x / 2, y / 2, z))
    hu = resample(case.ct, grid, outside=-1000.0) + np.random.default_rng(0).normal(0, 12, grid.shape)
    kept = (structure for structure in case.structures if external or structure.name != BODY)
    return replace(case, ct=Volume(hu.astype(np.float32), grid), structures=StructureSet(tuple(kept)))


def synthetic(folder: Path, *, fine: bool) -> dict[str, tuple[Path, list[str]]]:
    write_phantom(folder / "synthetic")
    if fine:
        case = load_case([folder / "synthetic"]).case
        write_case(folder / "synthetic 512", finer(case, external=True))
        write_case(folder / "synthetic 512, no External", finer(case, external=False))
    return {path.name: (path, []) for path in sorted(folder.iterdir())}


def cases_of(words: list[str]) -> dict[str, tuple[Path, list[str]]]:
    pairs = [word.partition(":") for word in words]
    return {Path(path).name: (Path(path), options.split(",") if options else []) for path, _, options in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="dosediff")
    parser.add_argument("--fine", action="store_true")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    print("| case | " + " | ".join(f"{stage}, s" for stage in STAGES) + " | wall, s | peak, MB |")
    print("|---" * (len(STAGES) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        cases = cases_of(arguments.cases) or synthetic(Path(folder), fine=arguments.fine)
        for name, (case, options) in cases.items():
            found = measured(case, arguments.model, options)
            stages = " | ".join(f"{found[stage]:.1f}" if stage in found else "" for stage in STAGES)
            print(f"| {name} | {stages} | {found['wall']:.1f} | {found['MB']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
