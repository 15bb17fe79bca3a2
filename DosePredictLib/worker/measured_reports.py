"""The last stage of a prediction of measured dose: what there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..evaluation.measured_report import MeasuredReport, make_measured_report
from ..evaluation.report_files import write_measured_report
from ..io.identity import identity, secrets
from ..io.qa_case import DicomQaCase
from ..preprocessing.rasters import Rasters
from .reports import paths_of, peak_memory_mb

if TYPE_CHECKING:
    from .job import Job, Sampled


@dataclass(frozen=True, eq=False)
class Measured:
    """A plan and the measured dose predicted for it; card: of the model."""

    patient: DicomQaCase
    sampled: Sampled
    rasters: Rasters
    card: dict[str, Any]


def write_reports(job: Job, found: Measured) -> MeasuredReport:
    """Into the job's output folder."""
    timing, patient, prediction = job.progress.finished(), found.patient, found.sampled.prediction
    headers = (patient.dose_header, patient.rtstruct_header)
    report = make_measured_report(
        case=patient.case,
        predicted=prediction.dose,
        occupancies=found.rasters.occupancies,
        model=found.card,
        request=found.sampled.made_with,
        uncertainty=prediction.spread,
        samples=prediction.samples,
        warnings=(*patient.warnings, *found.sampled.warnings),
        notes=(*patient.notes, *found.rasters.notes),
        timing_s=timing,
        peak_rss_mb=peak_memory_mb(),
        identity=identity(*headers, plan_label=patient.plan_label),
        secrets=secrets(paths_of(job), *headers) if job.request.anonymise else None,
    )
    timing.update(job.progress.finished())
    write_measured_report(report, job.folder.output, pdf=job.request.pdf)
    return report
