"""Predictions of one or several patients, one after the other, in the background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from DosePredictLib.core import Case, DosePredictError, QaCase, Volume
from DosePredictLib.registry import DEFAULT_MODEL, find
from DosePredictLib.worker.protocol import STAGES, Event, JobFolder, Request

from .background_job import BackgroundJob, Ending
from .failure import Failure
from .patient import Patient
from .result import Result
from .result_import import import_result

STAGE_SHARES = {"read": 0.05, "preprocess": 0.15, "sample": 0.65, "write": 0.05, "report": 0.10}  # of the bar


@dataclass(frozen=True)
class Settings:
    """How to predict; see ``DosePredictLib.worker.protocol.Request``."""

    model: str = DEFAULT_MODEL
    steps: int | None = None
    samples: int | None = None
    seed: int = 0
    device: str = "auto"
    grid: str = "dose"
    outside_domain: bool = False

    def request(self) -> Request:
        """What the worker is asked; the case lies in the job's own folder."""
        return Request(
            kind="predict", paths=("input",), model=self.model, steps=self.steps, samples=self.samples, seed=self.seed,
            device=self.device, grid=self.grid, outside_domain=self.outside_domain,
        )  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """Of the running prediction. share: 0 to 1. remaining_s: of this stage, where known."""

    stage: str = ""
    step: int = 0
    count: int = 0
    share: float = 0.0
    elapsed_s: float = 0.0
    remaining_s: float | None = None

    @classmethod
    def of(cls, event: Event, before: Progress) -> Progress:
        stage = event.get("stage", before.stage)
        done = sum(STAGE_SHARES[name] for name in STAGES[: STAGES.index(stage)]) if stage else 0.0
        is_step = event["event"] == "step"
        step, count = (event["index"], event["count"]) if is_step else (0, 0)
        within = STAGE_SHARES.get(stage, 0.0) * (step / count if count else 0.0)
        return cls(stage, step, count, done + within, event.get("elapsed_s", 0.0), event.get("remaining_s"))


@dataclass(frozen=True, eq=False)
class Waiting:
    """A patient and how to predict; the case is taken from the scene when it is added, so later edits change nothing."""

    patient: Patient
    case: Case | QaCase
    settings: Settings


def _kept(case: Case | QaCase) -> Case | QaCase:
    """The CT's voxels are the scene's own memory: a copy of them does not change with the scene."""
    return case if case.ct is None else replace(case, ct=Volume(case.ct.array.copy(), case.ct.grid))


class PredictionQueue:
    """Runs what is added; ``on_change`` is called whenever one of the public attributes has changed."""

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        self.on_change = on_change or (lambda: None)
        self.waiting: list[Waiting] = []
        self.running: Waiting | None = None
        self.progress = Progress()
        self.warnings: list[str] = []
        self.results: list[Result] = []
        self.failure: Failure | None = None
        self.was_cancelled = False
        self._job = BackgroundJob(self._on_event, self._on_end)

    @property
    def is_running(self) -> bool:
        return self.running is not None

    @property
    def log(self) -> str:
        """What the running worker has printed, or the failed one."""
        return self._job.log() or (self.failure.log if self.failure else "")

    def add(self, patient: Patient, settings: Settings) -> None:
        """Predict this patient when those before are done. Raises DosePredictError for a patient that cannot be used."""
        case = patient.as_input_of(find(settings.model).card)
        self.waiting.append(Waiting(patient, _kept(case), settings))
        if self.is_running:
            self.on_change()
        else:
            self._next()

    def cancel(self) -> None:
        """Stop the running prediction and forget those that wait; the worker ends within two seconds."""
        self.waiting.clear()
        self._job.cancel()
        self.on_change()

    def end_now(self) -> None:
        """As cancel, at once: for a closing scene or application."""
        self.waiting.clear()
        self._job.end_now()
        self.running = None
        self.on_change()

    def poll(self) -> None:
        """What the timer does; for scripts that run without the event loop."""
        self._job.poll()

    def _next(self) -> None:
        self.running, self.progress, self.warnings = self.waiting.pop(0), Progress(), []
        self.failure, self.was_cancelled = None, False
        try:
            self._job.start(self.running.case, self.running.settings.request())
        except DosePredictError as error:
            self.running, self.failure = None, Failure(str(error))
        self.on_change()

    def _on_event(self, event: Event) -> None:
        if event["event"] == "warning":
            self.warnings.append(event["text"])
        if event["event"] in ("stage", "step"):
            self.progress = Progress.of(event, self.progress)
        self.on_change()

    def _on_end(self, ending: Ending, folder: JobFolder) -> None:
        ended, self.running = self.running, None
        self.was_cancelled = ending.outcome.state == "cancelled"
        if ending.outcome.state == "done" and ended is not None:
            self._take(ended, folder)
        elif not self.was_cancelled:
            self.failure = Failure.of(ending)
        if self.waiting:
            self._next()
        self.on_change()

    def _take(self, ended: Waiting, folder: JobFolder) -> None:
        try:
            self.results.append(import_result(folder.output, ended.patient))
        except DosePredictError as error:
            self.failure = Failure(str(error))
