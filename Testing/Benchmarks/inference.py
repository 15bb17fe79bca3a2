"""Time and memory of each stage of a prediction, for every installed model on the synthetic case: cold and warm.

    python Testing/Benchmarks/inference.py [--models ID ...] [--threads N]

Cold is a new process, imports included; warm is the same process again. Seconds on the wall; the memory is the highest that
the cold process has reached by the end of the stage. Without the report. Prints Markdown; uses all processors by default.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

STAGES = ("import", "read", "weights", "rasters", "distance maps", "planning", "other preprocessing", "network", "export")
PARTS = {  # of ``conditions``: the functions it calls, and their stage
    "body_on": "rasters",
    "target_masks": "rasters",
    "_organ": "rasters",
    "in_threads": "distance maps",
    "planned_channels": "planning",
}


class Stages:
    """Seconds by stage, and the highest MB of this process at its end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.megabytes: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started
        self.megabytes[name] = highest_megabytes()

    def timed(self, name: str, function: Any) -> Any:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **options)

        return wrapped


def predict(model: str, case: Path, stages: Stages) -> None:
    """What ``dosepredict predict`` does, without the report."""
    with stages.stage("import"):
        import DosePredictLib.inference.predictor as predictor
        from DosePredictLib.inference.export import exported
        from DosePredictLib.io.case import load_case
        from DosePredictLib.io.rtdose_writer import Export, Provenance, write_rtdose
        from DosePredictLib.preprocessing import channels
    with stages.stage("read"):
        patient = load_case([case])
    with stages.stage("weights"):
        loaded = predictor.Predictor.load(model)
    whole = {"conditions": "other preprocessing"}
    with replaced(channels, PARTS, stages), replaced(predictor, whole, stages), stages.stage("network"):
        prediction = loaded.predict(patient.case)
    stages.seconds["network"] -= stages.seconds["other preprocessing"]  # which happens within
    stages.seconds["other preprocessing"] -= sum(stages.seconds.get(part, 0.0) for part in set(PARTS.values()))
    with stages.stage("export"), tempfile.TemporaryDirectory() as out:
        grid = patient.case.reference.grid if patient.case.reference else patient.case.ct.grid
        dose = exported(prediction.dose, patient.case, grid)
        provenance = Provenance(model_id=model, model_version="0", weights_sha256="0" * 64, software_version="0")
        write_rtdose(out, dose, Export(ct_header=patient.ct_header, provenance=provenance))


@contextmanager
def replaced(module: Any, names: dict[str, str], stages: Stages) -> Iterator[None]:
    """Functions of a module, by name, report to ``stages`` as the stage that is given for each."""
    originals = {function: getattr(module, function) for function in names}
    for function, stage in names.items():
        setattr(module, function, stages.timed(stage, originals[function]))
    try:
        yield
    finally:
        for function, original in originals.items():
            setattr(module, function, original)


def highest_megabytes() -> float:
    """Of this process so far; where Linux tells, without what it inherited from the one that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(model: str, case: Path, threads: int) -> None:
    """Prints one JSON object: cold and warm."""
    cold, warm = Stages(), Stages()
    with cold.stage("import"):
        import torch

        torch.set_num_threads(threads)
    for stages in (cold, warm):
        predict(model, case, stages)
    print(json.dumps({"cold": cold.seconds, "warm": warm.seconds, "MB": cold.megabytes}))


def measured(model: str, case: Path, threads: int) -> dict[str, dict[str, float]]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--child", model, str(case), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def table(model: str, found: dict[str, dict[str, float]]) -> str:
    lines = [f"\n## {model}\n\n| stage | cold, s | warm, s | peak, MB |\n|---|---|---|---|"]
    for stage in STAGES:
        if stage in found["cold"]:
            warm = found["warm"].get(stage, 0.0)
            lines.append(f"| {stage} | {found['cold'][stage]:.2f} | {warm:.2f} | {found['MB'].get(stage, 0):.0f} |")
    cold, warm = (sum(found[run].values()) for run in ("cold", "warm"))
    return "\n".join([*lines, f"| **all** | {cold:.2f} | {warm:.2f} | {max(found['MB'].values()):.0f} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", metavar="ID")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child[0], Path(arguments.child[1]), arguments.threads)

    from DosePredictLib import registry
    from DosePredictLib.phantom import write_phantom

    print(f"{arguments.threads} threads.")
    with tempfile.TemporaryDirectory() as folder:
        write_phantom(Path(folder) / "synthetic")
        for model in arguments.models or [model.id for model in registry.available()]:
            print(table(model, measured(model, Path(folder) / "synthetic", arguments.threads)), flush=True)


if __name__ == "__main__":
    main()
