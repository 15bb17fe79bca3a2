"""The work for a model of measured dose: from a plan's dose to a predicted measured dose and a report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import DoseGrid, Grid, InputError, OutputError, QaCase, Volume
from ..model_card import is_simulated, sees_ct

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from ..inference.predictor import Prediction, Predictor
    from ..io.qa_case import DicomQaCase
    from ..preprocessing.rasters import Rasters
    from .job import Job, Sampled

HIGHEST_RATIO = 1.2  # of the highest planned dose; a measurement differs by a few percent


def predict(job: Job, card: dict[str, Any]) -> str:
    """From a plan's files to RTDOSE and report. Returns the kind of dose."""
    from . import scene
    from .job import sampled
    from .measured_reports import Measured, write_reports

    job.begin("read")
    patient = read(job, card)
    case = patient.case
    wanted_grid(case, job.request.grid)  # refused before anything is computed
    job.begin("preprocess")
    rasters = drawn(case, job)
    found = sampled(job, lambda predictor, samples: predict_with(predictor, case, samples, job))
    check(found.prediction.dose, case.planned)
    job.begin("write")
    if patient.dose_header is not None:
        write_dose(job, patient, patient.dose_header, found, rasters, card)
    job.begin("report")
    report = write_reports(job, Measured(patient, found, rasters, card))
    if patient.dose_header is None:  # from 3D Slicer, which writes its DICOM itself
        scene.write_qa(job.folder.output, case, report.predicted, found.prediction.spread, report.gamma.volume)
    return "measured"


def read(job: Job, card: dict[str, Any]) -> DicomQaCase:
    from ..io.qa_case import load_qa_case
    from ..io.scene_case import is_scene_case

    request, home = job.request, job.folder.path
    paths = [home / path for path in request.paths]
    if is_scene_case(paths):
        patient = from_scene(paths[0], card)
    else:
        patient = load_qa_case(
            paths,
            reference=home / request.reference if request.reference else None,
            names=request.names or None,
            choose=request.choose or None,
            needs_ct=sees_ct(card),
        )
    job.warn(*patient.warnings)
    return patient


def from_scene(folder: Path, card: dict[str, Any]) -> DicomQaCase:
    from ..io.qa_case import DicomQaCase, fitting
    from . import scene

    case = scene.read_qa(folder)
    ct, warnings = fitting(case.ct, case.planned, needed=sees_ct(card))
    return DicomQaCase(replace(case, ct=ct), warnings=warnings)


def predict_with(predictor: Predictor, case: QaCase, samples: int, job: Job) -> Prediction:
    from ..inference.measured import predict_measured

    request = job.request
    return predict_measured(
        predictor, case.planned, case.ct, steps=request.steps, samples=samples, seed=request.seed, on_step=job.step
    )


def drawn(case: QaCase, job: Job) -> Rasters:
    """The structures as occupancy on the CT; without one, on fine voxels around the dose."""
    from ..io.comparison import grid_around
    from ..preprocessing.rasters import rasterise_all

    grid = case.ct.grid if case.ct else grid_around(case.planned.grid, case.structures)
    return rasterise_all(case.structures, grid, before_each=job.stop_if_cancelled)


def check(dose: DoseGrid, planned: DoseGrid) -> None:
    """DoseGrid itself refuses what is not finite or negative; raises OutputError for what no measurement would show."""
    highest, planned_gy = float(dose.gray.max()), float(planned.gray.max())
    if not 0 < highest <= HIGHEST_RATIO * planned_gy:
        raise OutputError(
            f"The highest predicted measured dose is {highest:.1f} Gy, and that of the plan {planned_gy:.1f} Gy; it is not"
            " believable and was thrown away. Check the planned dose, or take another model."
        )


def wanted_grid(case: QaCase, wanted: str) -> Grid:
    """``wanted``: "dose" (the planned dose's grid, on which the network's answer comes), "ct", or a voxel size in mm."""
    if wanted == "dose":
        return case.planned.grid
    if wanted != "ct":
        return case.planned.grid.resampled((float(wanted),) * 3)
    if case.ct is None:
        raise InputError("There is no CT whose grid the dose could have; leave --grid out for that of the planned dose.")
    return case.ct.grid


def on_grid(dose: DoseGrid, planned: DoseGrid, grid: Grid) -> DoseGrid:
    """Dose where a dose is planned."""
    from ..inference.export import to_grid
    from ..preprocessing.resample import resample

    somewhere = Volume((planned.gray > 0).astype(np.float32), planned.grid)
    return to_grid(dose, grid, resample(somewhere, grid, outside=0.0, antialias=False) >= 0.5)


def write_dose(job: Job, patient: DicomQaCase, header: Dataset, found: Sampled, rasters: Rasters, card: dict[str, Any]) -> None:
    """As RTDOSE, marked as what it is. header: of the planned dose."""
    from ..io.rtdose_writer import MEASURED_DOSE, Export, write_rtdose
    from .histograms import dvh_curves
    from .job import provenance_of

    dose = on_grid(found.prediction.dose, patient.case.planned, wanted_grid(patient.case, job.request.grid))
    export = Export(
        ct_header=header,
        provenance=provenance_of(card, trained_on="SIMULATED measurements" if is_simulated(card) else ""),
        kind=MEASURED_DOSE,
        profile=job.request.profile,
        plan_header=plan_header(header) if job.request.profile == "plan" else None,
        rtstruct_header=patient.rtstruct_header,
        dvhs=dvh_curves(dose, rasters, patient.case),
    )
    write_rtdose(job.folder.output, dose, export)


def plan_header(dose: Dataset) -> Dataset | None:
    """The plan that the planned dose refers to."""
    from pydicom.dataset import Dataset

    plans = dose.get("ReferencedRTPlanSequence") or []
    if len(plans) != 1 or not plans[0].get("ReferencedSOPClassUID") or not plans[0].get("ReferencedSOPInstanceUID"):
        return None
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = plans[0].ReferencedSOPClassUID, plans[0].ReferencedSOPInstanceUID
    return header
