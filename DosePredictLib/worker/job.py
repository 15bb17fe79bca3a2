"""The work itself: from a patient's files to a predicted RTDOSE and a report, in five stages."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import registry
from ..core import Cancelled, Case, DoseGrid, Grid, InputError, OutputError, Prescription, Volume
from .protocol import JobFolder, Progress, Request, RequestError

if TYPE_CHECKING:
    from ..inference.domain import Domain
    from ..inference.predictor import Prediction, Predictor
    from ..io.case import DicomCase

HIGHEST_RATIO = 1.3  # of the highest prescription; clinical plans stay below about 1.15
DEFAULT_SPACING_MM = 2.5


@dataclass(frozen=True)
class Job:
    """What the stages share."""

    folder: JobFolder
    request: Request
    progress: Progress

    def begin(self, stage: str) -> None:
        self.stop_if_cancelled()
        self.progress.stage(stage)

    def step(self, index: int, count: int) -> None:
        self.stop_if_cancelled()
        self.progress.step(index, count)

    def stop_if_cancelled(self) -> None:
        if self.folder.is_cancelled:
            raise Cancelled("The prediction was cancelled.")


def run(folder: JobFolder, request: Request, progress: Progress) -> None:
    """Do what the request asks; results are in output/ when it returns. Raises RequestError and the errors of core."""
    if request.kind != "predict":
        raise RequestError(f"This version cannot do {request.kind!r} in the background.")
    predict(Job(folder, request, progress))


def predict(job: Job) -> None:
    """read, preprocess, sample, write, report."""
    model = registry.find(job.request.model)
    job.begin("read")
    patient = read(job)
    job.begin("preprocess")
    domain = domain_of(patient.case, model.card, job)
    occupancies = occupancies_of(patient.case, job)
    job.begin("sample")
    predictor, prediction = sample(patient.case, job)
    job.begin("write")
    dose = on_wanted_grid(prediction, patient.case, job.request.grid)
    check(dose, patient.case.prescription)
    write_dicom(job, patient, dose, predictor.card)
    job.begin("report")
    write_reports(job, patient, dose, prediction, occupancies, predictor.card, domain)


def read(job: Job) -> DicomCase:
    from ..io.case import load_case

    request, home = job.request, job.folder.path
    patient = load_case(
        [home / path for path in request.paths],
        names=request.names or None,
        prescription=request.prescription or None,
        choose=request.choose or None,
        reference=home / request.reference if request.reference else None,
    )
    for text in patient.warnings:
        job.progress.warning(text)
    return patient


def domain_of(case: Case, card: dict[str, Any], job: Job) -> Domain:
    """Raises InputError for a case of another kind than the model knows, unless the request wants it all the same."""
    from ..inference.domain import check_domain

    domain = check_domain(case, card)
    reasons = "; ".join(domain.reasons)
    if domain.verdict == "outside" and not job.request.outside_domain:
        raise InputError(
            f"This case is outside what the model {job.request.model} was made for ({reasons});"
            " its prediction would be meaningless. To get one all the same, marked as such, add --outside-domain."
        )
    if domain.verdict != "inside":
        job.progress.warning(f"The case is {domain.verdict} for the model {job.request.model}: {reasons}.")
    return domain


def occupancies_of(case: Case, job: Job) -> dict[str, Volume]:
    """Each structure's occupancy on the CT grid, cropped to its box; empty ones are left out."""
    from ..preprocessing.contours import rasterise

    occupancies = {}
    for structure in case.structures:
        job.stop_if_cancelled()
        if not structure.is_empty:
            occupancies[structure.name] = rasterise(structure, case.ct.grid).volume
    return occupancies


def sample(case: Case, job: Job) -> tuple[Predictor, Prediction]:
    """The prediction; with fewer samples, and at last on the CPU, where the GPU's memory does not suffice."""
    import torch

    from ..inference.predictor import Predictor

    request = job.request
    for device, samples in _attempts(request):
        try:
            predictor = Predictor.load(request.model, device)
            prediction = predictor.predict(case, steps=request.steps, samples=samples, seed=request.seed, on_step=job.step)
        except torch.OutOfMemoryError:
            job.progress.warning(f"The GPU's memory does not suffice for {samples} sample(s) on {device}; trying with less.")
            continue
        for text in prediction.warnings:
            job.progress.warning(text)
        return predictor, prediction
    raise OutputError("The memory of this computer does not suffice for a prediction; close other programs and try again.")


def _attempts(request: Request) -> list[tuple[str, int]]:
    """Devices and numbers of samples, the wanted one first, without repeats."""
    return list(dict.fromkeys([(request.device, request.samples), (request.device, 1), ("cpu", 1)]))


def on_wanted_grid(prediction: Prediction, case: Case, wanted: str) -> DoseGrid:
    """The predicted dose inside the body on the grid of the CT, of the planned dose, or of a voxel size."""
    from ..inference.export import to_grid

    grid = wanted_grid(case, wanted)
    return to_grid(prediction.dose, grid, body_on(case, grid))


def wanted_grid(case: Case, wanted: str) -> Grid:
    """``wanted``: "ct", "dose" (the planned dose's grid; 2.5 mm where there is none) or a voxel size in mm."""
    if wanted == "ct":
        return case.ct.grid
    if wanted == "dose":
        return case.reference.grid if case.reference else case.ct.grid.resampled((DEFAULT_SPACING_MM,) * 3)
    return case.ct.grid.resampled((float(wanted),) * 3)


def body_on(case: Case, grid: Grid) -> Any:
    """(k, j, i) bool on ``grid``: the body's contour, or what the CT shows of it."""
    from ..preprocessing.body import body_mask
    from ..preprocessing.contours import rasterise

    external = case.structure("External")
    if external is not None:
        return rasterise(external, grid).on(grid) > 0.5
    return body_mask(case.ct)


def check(dose: DoseGrid, prescription: Prescription) -> None:
    """DoseGrid itself refuses what is not finite or negative; raises OutputError for a dose that no plan would have."""
    highest, limit = float(dose.gray.max()), HIGHEST_RATIO * prescription.highest_gy
    if highest > limit:
        raise OutputError(
            f"The predicted dose reaches {highest:.1f} Gy, more than {HIGHEST_RATIO:g} times the highest prescription"
            f" ({prescription.highest_gy:g} Gy); it is not believable and was thrown away. Check the structures and the CT."
        )
    if highest <= 0:
        raise OutputError("The predicted dose is zero everywhere and was thrown away; check the targets and the body contour.")


def write_dicom(job: Job, patient: DicomCase, dose: DoseGrid, card: dict[str, Any]) -> None:
    from .. import __version__
    from ..io.rtdose_writer import Provenance, write_rtdose

    provenance = Provenance(
        model_id=card["id"],
        model_version=str(card["version"]),
        weights_sha256=card["weights_sha256"],
        software_version=__version__,
    )
    write_rtdose(
        job.folder.output,
        dose,
        ct_header=patient.ct_header,
        provenance=provenance,
        profile=job.request.profile,
        prescription=patient.case.prescription,
        rtstruct_header=patient.rtstruct_header,
    )


def write_reports(
    job: Job,
    patient: DicomCase,
    dose: DoseGrid,
    prediction: Prediction,
    occupancies: dict[str, Volume],
    card: dict[str, Any],
    domain: Domain,
) -> None:
    from ..evaluation.report import make_report, write_report

    request, timing = job.request, job.progress.finished()
    report = make_report(
        case=patient.case,
        predicted=dose,
        occupancies=occupancies,
        model=card,
        request={"steps": request.steps, "samples": request.samples, "seed": request.seed, "device": request.device},
        warnings=(*patient.warnings, *prediction.warnings),
        notes=patient.notes,
        timing_s=timing,
        peak_rss_mb=peak_memory_mb(),
        outside_domain="; ".join(domain.reasons) if domain.verdict == "outside" else None,
        uncertainty=prediction.spread,
    )
    timing.update(job.progress.finished())
    write_report(report, Path(job.folder.output))


def peak_memory_mb() -> float:
    """The most memory this process has held; 0 where the system does not say (Windows)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
