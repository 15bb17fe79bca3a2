"""Every model of planned dose that is shipped, on the same OpenKBP patients by the official evaluator, as one document.

    python Testing/Benchmarks/results.py --data VALIDATION --json FILE --markdown docs/results.md [--also FOLDER ...]

A model that samples is measured in 1, 2 and 8 steps, in its usual number, and as the mean of four samples of the most steps.
--also: models as a training run leaves them (the papers' ablations), in their usual steps only; the first of each kind of network
is what its others are compared with.

Each line is a process of its own. FILE keeps it; it is measured again where weights, version, patients or threads are others.
Seconds are processor time of the prediction, reading excluded; memory is the most its process held meanwhile (Linux).
The tables take the place of what stands in the document between <!-- results --> and <!-- end -->.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from results_tables import tables, written

from DosePredictLib import registry
from DosePredictLib.cli.benchmark import add, identity, predicted, scored, where_possible
from DosePredictLib.core import Case, DoseGrid, InputError
from DosePredictLib.evaluation.difference import structural_similarity
from DosePredictLib.evaluation.openkbp import Scores
from DosePredictLib.io.openkbp import OpenKbpPatient, find_patients, is_complete, read_patient
from DosePredictLib.model_card import PLANNED, is_deterministic, predicts
from DosePredictLib.preprocessing.body import filled
from DosePredictLib.preprocessing.channels import AIR_HU

SEED = 0
Row = dict[str, Any]
Key = tuple[bool, str, int, int]


@dataclass(frozen=True)
class Run:
    """One line: a model, and what is asked of it. ablation: whether the model is not shipped."""

    model: registry.ModelInfo
    steps: int
    samples: int
    ablation: bool

    @property
    def key(self) -> Key:
        return self.ablation, self.model.id, self.steps, self.samples

    def is_done(self, row: Row | None, patients: Sequence[Path], threads: int) -> bool:
        """Whether ``row`` is of this model, these patients and as many threads."""
        return (
            row is not None
            and named(row) == version_of(self.model)
            and list(row["dose_error_gy"]) == [path.name for path in patients]
            and row["threads"] == threads
        )


def wanted(models: Sequence[str] | None, also: Sequence[Path], steps: Sequence[int], samples: int) -> list[Run]:
    """The lines of the shipped models, or of ``models`` among them, and of those in the folders ``also``.

    Raises InputError where two of these folders hold models of the same id.
    """
    chosen = [model for model in shipped() if models is None or model.id in models]
    others = [model_in(folder) for folder in also]
    if len({model.id for model in others}) < len(others):
        raise InputError("Two models of --also have the same id; train each with --set 'card.id=\"...\"'.")
    runs = [Run(model, *asked, False) for model in chosen for asked in settings(model, steps, samples)]
    return runs + [Run(model, usual_steps(model), 1, True) for model in others]


def shipped() -> list[registry.ModelInfo]:
    """Those of planned dose."""
    return [model for model in registry.available() if model.shipped and predicts(model.card) == PLANNED]


def settings(model: registry.ModelInfo, steps: Sequence[int], samples: int) -> list[tuple[int, int]]:
    """Steps and samples of each line of ``model``."""
    if is_deterministic(model.card):
        return [(1, 1)]
    single = [(number, 1) for number in sorted({*steps, usual_steps(model)})]
    return single if samples == 1 else [*single, (max(steps), samples)]


def usual_steps(model: registry.ModelInfo) -> int:
    return int(model.card.get("default_steps", model.card["recipe"]["steps"]))


def model_in(folder: Path) -> registry.ModelInfo:
    """Raises InputError where there is none."""
    try:
        card = json.loads((folder / registry.CARD).read_text(encoding="utf-8"))
        return registry.ModelInfo(card["id"], folder, card, shipped=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder.name} holds no model; --also takes a folder that a training run has written.") from error


@dataclass
class Measures:
    """What a line collects, patient by patient. body: of the patient, where OpenKBP says that dose may be."""

    scores: Scores = field(default_factory=Scores)
    body_mae_gy: list[float] = field(default_factory=list)
    body_ssim: list[float] = field(default_factory=list)

    def add(self, patient: OpenKbpPatient, dose: DoseGrid) -> None:
        gray, planned = where_possible(dose, patient), reference_of(patient.case)
        body = filled(patient.case.ct.array > AIR_HU) & patient.possible_dose_mask
        add(self.scores, patient, gray)
        self.body_mae_gy.append(float(np.abs(gray - planned.gray)[body].mean()))
        self.body_ssim.append(structural_similarity(DoseGrid(gray, dose.grid), planned, body))

    def to_dict(self) -> Row:
        means = {"body_mae_gy": float(np.mean(self.body_mae_gy)), "body_ssim": float(np.mean(self.body_ssim))}
        return {**scored(self.scores), **means}


@dataclass
class Cost:
    """Processor seconds of each patient, and the most memory the process held while it predicted."""

    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        forget_peak()
        started = time.process_time()
        yield
        self.seconds.append(time.process_time() - started)
        self.peak_mb = max(self.peak_mb, peak_mb())


def measured(folder: Path, patients: Sequence[Path], *, steps: int, samples: int, threads: int) -> Row:
    """One line: the model in ``folder`` on these patients."""
    import torch

    from DosePredictLib.inference.predictor import Predictor

    torch.set_num_threads(threads)
    model = model_in(folder)
    registry.verify(model)
    device = torch.device("cpu")
    predictor = Predictor.of(model, device)
    asked = argparse.Namespace(steps=steps, samples=samples, seed=SEED)
    dose, estimate, cost = Measures(), Measures(), Cost()
    for path in patients:
        patient = read_patient(path)
        with cost.counted():
            prediction = predicted(predictor, patient, asked)
        dose.add(patient, prediction.dose)
        if prediction.estimate is not None:
            estimate.add(patient, prediction.estimate)
        print(f"  {patient.id:8s} {dose.scores.dose_errors[patient.id]:6.3f} Gy", file=sys.stderr, flush=True)
    row = {**identity(predictor, asked), "seconds": float(np.mean(cost.seconds)), "peak_mb": cost.peak_mb, **dose.to_dict()}
    return {**row, "estimate": estimate.to_dict()} if estimate.body_ssim else row


def in_process(run: Run, arguments: argparse.Namespace) -> Row:
    """The same in a new process, and what the card says of the model."""
    command = [sys.executable, __file__, *sys.argv[1:], "--child", str(run.model.folder), str(run.steps), str(run.samples)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    card = run.model.card
    return {
        **json.loads(done.stdout.splitlines()[-1]),
        "network": card["recipe"]["model"],
        "parameters": card["parameters"],
        "megabytes": run.model.weights.stat().st_size / 1e6,
        "training": card["training"],
        "usual_steps": usual_steps(run.model),
        "ablation": run.ablation,
        "threads": arguments.threads,
    }


def stored(path: Path) -> dict[Key, Row]:
    """The lines kept from earlier, without those of shipped models that have changed since."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    now = {version_of(model) for model in shipped()}
    current = [row for row in rows if row["ablation"] or named(row) in now]
    return {(row["ablation"], row["model"]["id"], row["request"]["steps"], row["request"]["samples"]): row for row in current}


def version_of(model: registry.ModelInfo) -> tuple[str, str]:
    """The weights, and the version, which counts what the card adds to them: companions, usual targets."""
    return model.card["weights_sha256"], model.version


def named(row: Row) -> tuple[str, str]:
    return row["model"]["weights_sha256"], row["model"]["version"]


def reference_of(case: Case) -> DoseGrid:
    if case.reference is None:
        raise InputError(f"{case.label} has no dose to compare with.")
    return case.reference


def forget_peak() -> None:
    """Linux, proc(5): 5 sets the peak of this process to what it holds now."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def peak_mb() -> float:
    status = Path("/proc/self/status")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024 if status.exists() else 0.0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="OpenKBP patients as CSV")
    options.add_argument("--json", type=Path, required=True, metavar="FILE", help="keeps every line with its parts")
    options.add_argument("--markdown", type=Path, metavar="FILE", help="the document whose tables are replaced")
    options.add_argument("--models", nargs="*", metavar="ID", help="of the shipped ones; all by default")
    options.add_argument("--also", nargs="+", type=Path, default=[], metavar="FOLDER", help="models of training runs")
    options.add_argument("--steps", nargs="+", type=int, default=[1, 2, 8], metavar="N")
    options.add_argument("--samples", type=int, default=4, metavar="N", help="whose mean is one more line; 1 for none")
    options.add_argument("--baseline", default="unet", metavar="ID", help="model that the others are compared with")
    options.add_argument("--limit", type=int, metavar="N", help="only the first N patients")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return options


def main() -> None:
    arguments = parser().parse_args()
    patients = [path for path in find_patients(arguments.data) if is_complete(path)][: arguments.limit]
    if arguments.child:
        folder, steps, samples = arguments.child
        row = measured(Path(folder), patients, steps=int(steps), samples=int(samples), threads=arguments.threads)
        return print(json.dumps(row))
    rows = stored(arguments.json)
    for run in wanted(arguments.models, arguments.also, arguments.steps, arguments.samples):
        if not run.is_done(rows.get(run.key), patients, arguments.threads):
            print(f"{run.model.id}, {run.steps} steps, {run.samples} sample(s), {len(patients)} patients", flush=True)
            rows[run.key] = in_process(run, arguments)
            arguments.json.write_text(json.dumps(list(rows.values())), encoding="utf-8")
    if arguments.markdown:
        written(arguments.markdown, tables(list(rows.values()), baseline=arguments.baseline))


if __name__ == "__main__":
    main()
