"""Time and memory of a whole prediction, stage by stage: new process, DICOM in to report out.

    python Testing/Benchmarks/pipeline.py [--model dosediff] [CASE[:OPTION,OPTION...] ...]

Without a case: the synthetic one. Options are those of ``dosepredict predict``, e.g. ``breast:--outside-domain``.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.phantom import write_phantom

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


def cases_of(words: list[str], folder: Path) -> dict[str, tuple[Path, list[str]]]:
    if not words:
        write_phantom(folder / "synthetic")
        return {"synthetic": (folder / "synthetic", [])}
    pairs = [word.partition(":") for word in words]
    return {Path(path).name: (Path(path), options.split(",") if options else []) for path, _, options in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="dosediff")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    print("| case | " + " | ".join(f"{stage}, s" for stage in STAGES) + " | wall, s | peak, MB |")
    print("|---" * (len(STAGES) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (case, options) in cases_of(arguments.cases, Path(folder)).items():
            found = measured(case, arguments.model, options)
            stages = " | ".join(f"{found[stage]:.1f}" if stage in found else "" for stage in STAGES)
            print(f"| {name} | {stages} | {found['wall']:.1f} | {found['MB']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
