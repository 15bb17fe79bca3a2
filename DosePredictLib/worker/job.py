"""The work itself: from a patient's files to a predicted RTDOSE and a report, in five stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import __version__, registry
from ..core import Cancelled, Case, DoseGrid, Grid, InputError, OutputError, Prescription, Volume
from ..model_card import MEASURED, default_samples, predicts
from .protocol import JobFolder, Progress, Request, RequestError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..inference.domain import Domain
    from ..inference.predictor import Prediction, Predictor
    from ..io.case import DicomCase
    from ..io.rtdose_writer import Provenance
    from ..preprocessing.rasters import Rasters

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
        """Called by the sampler with 0 before its first step, then after each."""
        self.stop_if_cancelled()
        if index == 0 and self.progress.current != "sample":
            self.progress.stage("sample")
        self.progress.step(index, count)

    def stop_if_cancelled(self) -> None:
        if self.folder.is_cancelled:
            raise Cancelled("The prediction was cancelled.")

    def warn(self, *texts: str) -> None:
        for text in texts:
            self.progress.warning(text)


@dataclass(frozen=True, eq=False)
class Sampled:
    """A prediction and what it was really made with: fallbacks included."""

    prediction: Prediction
    made_with: dict[str, Any]
    warnings: tuple[str, ...]


def run(folder: JobFolder, request: Request, progress: Progress) -> str:
    """Do what the request asks; results are in output/ when it returns. Raises RequestError and the errors of core.

    Returns the kind of dose that was predicted: "planned" or "measured".
    """
    if request.kind != "predict":
        raise RequestError(f"This version cannot do {request.kind!r} in the background.")
    return predict(Job(folder, request, progress))


def predict(job: Job) -> str:
    """From the patient's files to RTDOSE and report."""
    from ..preprocessing.rasters import rasterise_all
    from . import measured_job
    from .reports import Predicted, write_reports

    card = registry.find(job.request.model).card
    if predicts(card) == MEASURED:
        return measured_job.predict(job, card)
    job.begin("read")
    patient = read(job)
    job.begin("preprocess")
    rasters = rasterise_all(patient.case.structures, patient.case.ct.grid, before_each=job.stop_if_cancelled)
    domain = domain_of(patient.case, rasters, card, job)
    sampled = sample(patient.case, job)
    job.begin("write")
    dose = on_wanted_grid(sampled.prediction, patient.case, job.request.grid)
    check(dose, patient.case.prescription)
    write_dose(job, patient, dose, sampled, rasters, card)
    job.begin("report")
    write_reports(job, Predicted(patient, dose, sampled, rasters, card, domain))
    return "planned"


def read(job: Job) -> DicomCase:
    from ..io.case import load_case
    from ..io.scene_case import is_scene_case
    from . import scene

    request, home = job.request, job.folder.path
    paths = [home / path for path in request.paths]
    if is_scene_case(paths):
        patient = scene.read(paths[0])
        job.warn(*patient.warnings)
        return patient
    patient = load_case(
        paths,
        names=request.names or None,
        prescription=request.prescription or None,
        choose=request.choose or None,
        reference=home / request.reference if request.reference else None,
    )
    job.warn(*patient.warnings)
    return patient


def domain_of(case: Case, rasters: Rasters, card: dict[str, Any], job: Job) -> Domain:
    """Raises InputError for a case of another kind than the model knows, unless the request wants it all the same."""
    from ..inference.domain import check_domain

    domain = check_domain(case, card, rasters.occupancies)
    reasons = "; ".join(domain.reasons)
    if domain.verdict == "outside" and not job.request.outside_domain:
        raise InputError(
            f"This case is outside what the model {job.request.model} was trained on ({reasons});"
            " a dose predicted for it would mean nothing. To get one all the same, marked as such, add --outside-domain."
        )
    if domain.reasons:
        job.warn(f"The case is {domain.verdict} for the model {job.request.model}: {reasons}.")
    return domain


def sample(case: Case, job: Job) -> Sampled:
    request = job.request
    return sampled(
        job,
        lambda predictor, samples: predictor.predict(
            case, steps=request.steps, samples=samples, seed=request.seed, treatment=request.treatment, on_step=job.step
        ),
    )


def sampled(job: Job, predict: Callable[[Predictor, int], Prediction]) -> Sampled:
    """What ``predict(predictor, samples)`` makes; where a GPU fails, with one sample or on the CPU, which is said."""
    from ..inference.predictor import Predictor, device_of, passed_over

    request = job.request
    device = device_of(request.device).type
    fallbacks = passed_over() if request.device == "auto" else []
    job.warn(*fallbacks)
    samples = request.samples or default_samples(registry.find(request.model).card)
    while True:
        try:
            predictor = Predictor.load(request.model, device)
            prediction = calibrated(predict(predictor, samples), predictor.card)
            break
        except RuntimeError as error:  # PyTorch's, of memory as of what a device does not know
            if device == "cpu":
                raise
            fallback, device, samples = with_less(str(error), device, samples)
        fallbacks.append(fallback)
        job.warn(fallback)
    job.warn(*prediction.warnings)
    steps = request.steps or predictor.default_steps
    made_with = {"steps": steps, "samples": samples, "seed": request.seed, "device": device, **request.treatment}
    return Sampled(prediction, made_with, (*fallbacks, *prediction.warnings))


def with_less(error: str, device: str, samples: int) -> tuple[str, str, int]:
    """What to say of a GPU's error, and where and with how many samples to try next."""
    if "out of memory" not in error:
        said = error.strip().partition("\n")[0] or "without a word why"
        return f"The GPU ({device}) failed ({said}); predicted on the CPU instead.", "cpu", samples
    if samples > 1:
        return f"The GPU's memory did not suffice for {samples} samples; one was computed.", device, 1
    return "The GPU's memory did not suffice; predicted on the CPU instead.", "cpu", samples


def calibrated(prediction: Prediction, card: Mapping[str, Any]) -> Prediction:
    """With the spread that the model's calibration makes of that of the samples."""
    from ..evaluation.uncertainty import SpreadScale

    if prediction.spread is None:
        return prediction
    return replace(prediction, spread=Volume(SpreadScale.of(card).factor * prediction.spread.array, prediction.spread.grid))


def on_wanted_grid(prediction: Prediction, case: Case, wanted: str) -> DoseGrid:
    """The predicted dose inside the body on the grid of the CT, of the planned dose, or of a voxel size."""
    from ..inference.export import exported

    return exported(prediction.dose, case, wanted_grid(case, wanted))


def wanted_grid(case: Case, wanted: str) -> Grid:
    """``wanted``: "ct", "dose" (the planned dose's grid; 2.5 mm where there is none) or a voxel size in mm."""
    if wanted == "ct":
        return case.ct.grid
    if wanted == "dose":
        return case.reference.grid if case.reference else case.ct.grid.resampled((DEFAULT_SPACING_MM,) * 3)
    return case.ct.grid.resampled((float(wanted),) * 3)


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


def write_dose(job: Job, patient: DicomCase, dose: DoseGrid, sampled: Sampled, rasters: Rasters, card: dict[str, Any]) -> None:
    """As RTDOSE; for a case from 3D Slicer, which writes its DICOM itself, as volumes for the scene."""
    from ..io.rtdose_writer import Export, write_rtdose
    from . import scene
    from .histograms import dvh_curves

    if patient.ct_header is None:
        scene.write(job.folder.output, patient.case, dose, sampled.prediction.spread)
        return
    export = Export(
        ct_header=patient.ct_header,
        provenance=provenance_of(card),
        profile=job.request.profile,
        prescription=patient.case.prescription,
        plan_header=plan_header(patient) if job.request.profile == "plan" else None,
        rtstruct_header=patient.rtstruct_header,
        dvhs=dvh_curves(dose, rasters, patient.case),
    )
    write_rtdose(job.folder.output, dose, export)


def provenance_of(card: dict[str, Any], *, trained_on: str = "") -> Provenance:
    from ..io.rtdose_writer import Provenance

    return Provenance(
        model_id=card["id"],
        model_version=str(card["version"]),
        weights_sha256=card["weights_sha256"],
        software_version=__version__,
        training_data=trained_on,
    )


def plan_header(patient: DicomCase) -> Dataset | None:
    """What a dose must know of the patient's own plan to refer to it."""
    from pydicom.dataset import Dataset
    from pydicom.uid import RTIonPlanStorage, RTPlanStorage

    if patient.plan is None:
        return None
    header = Dataset()
    header.SOPClassUID = RTIonPlanStorage if patient.plan.is_ion else RTPlanStorage
    header.SOPInstanceUID = patient.plan.uid
    return header
