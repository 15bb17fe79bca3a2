"""The last stage of a prediction: what there is to say about its dose."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import DoseGrid, InputError
from ..evaluation.calibration import Calibration, read_calibration
from ..evaluation.report import make_report
from ..evaluation.report_files import write_report
from ..inference.domain import Domain
from ..io.case import DicomCase
from ..io.identity import identity, secrets
from ..preprocessing.rasters import Rasters
from ..registry import calibration_file

if TYPE_CHECKING:
    from .job import Job, Sampled


@dataclass(frozen=True, eq=False)
class Predicted:
    """A patient and the dose predicted for them; card: of the model."""

    patient: DicomCase
    dose: DoseGrid
    sampled: Sampled
    rasters: Rasters
    card: dict[str, Any]
    domain: Domain


def write_reports(job: Job, found: Predicted) -> None:
    """Into the job's output folder."""
    timing, patient = job.progress.finished(), found.patient
    report = make_report(
        case=patient.case,
        predicted=found.dose,
        occupancies=found.rasters.occupancies,
        model=found.card,
        request=found.sampled.made_with,
        warnings=(*patient.warnings, *found.sampled.warnings),
        notes=(*patient.notes, *found.rasters.notes),
        timing_s=timing,
        peak_rss_mb=peak_memory_mb(),
        domain=found.domain,
        uncertainty=found.sampled.prediction.spread,
        samples=found.sampled.prediction.samples,
        estimate=estimate_of(found),
        calibration=calibration_of(job, found),
        identity=identity(patient.ct_header, patient.rtstruct_header, plan_label=patient.plan.label if patient.plan else ""),
        secrets=secrets(paths_of(job), patient.ct_header, patient.rtstruct_header) if job.request.anonymise else None,
    )
    timing.update(job.progress.finished())
    write_report(report, job.folder.output, pdf=job.request.pdf)


def estimate_of(found: Predicted) -> DoseGrid | None:
    """What DiffDP's structure encoder predicts without sampling, on the grid of the dose and inside the body."""
    from ..inference.export import exported

    estimate = found.sampled.prediction.estimate
    return None if estimate is None else exported(estimate, found.patient.case, found.dose.grid)


def calibration_of(job: Job, found: Predicted) -> Calibration | None:
    """The site's own, where it was made with these weights used in this way; a warning where it cannot serve."""
    path, made_with = calibration_file(found.card["id"]), found.sampled.made_with
    if not path.exists():
        return None
    try:
        calibration = read_calibration(path)
    except InputError as error:
        job.warn(str(error))
        return None
    if calibration.fits(found.card, steps=made_with["steps"], samples=made_with["samples"]):
        return calibration
    job.warn("The local calibration is of another model, other steps or samples, and is not shown; calibrate again.")
    return None


def paths_of(job: Job) -> list[Path]:
    """Of the patient's files and folders; relative ones lie in the job folder."""
    return [job.folder.path / path for path in (*job.request.paths, *filter(None, [job.request.reference]))]


def peak_memory_mb() -> float:
    """The most memory this process has held; 0 where the system does not say (Windows)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
