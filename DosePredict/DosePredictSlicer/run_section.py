"""The button, the bar and the log of the running prediction; and why the last one failed."""

from __future__ import annotations

import html
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib.model_card import MEASURED, PLANNED

from .failure import Failure
from .prediction_queue import PredictionQueue, Progress
from .wording import for_panel

STAGES = {
    "": _("Starting"), "read": _("Reading the patient"), "preprocess": _("Preparing the input of the model"),
    "sample": _("Predicting"), "write": _("Checking and writing the dose"), "report": _("Measuring the dose"),
}  # fmt: skip
BUTTONS = {PLANNED: _("Predict dose"), MEASURED: _("Predict measured dose")}
BAR = 1000


class RunSection:
    """Shows the state of the queue in the section "Prediction"."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._notice = ""
        ui.copyLogButton.connect("clicked(bool)", lambda _checked: slicer.app.clipboard().setText(ui.logText.plainText))

    def show(self, queue: PredictionQueue, obstacles: list[str], *, predicts: str) -> None:
        """obstacles: why the chosen patient cannot be predicted; empty where it can. predicts: which kind of dose would be."""
        ui, is_ready = self._ui, not obstacles
        why = "\n".join(obstacles)
        ui.predictButton.setText(_("Cancel") if queue.is_running else BUTTONS[predicts])
        ui.predictButton.setEnabled(queue.is_running or is_ready)
        ready = _("Stop the prediction") if queue.is_running else _("Predict the dose in the background")
        ui.predictButton.setToolTip(ready if queue.is_running else why or ready)
        ui.queueButton.setVisible(queue.is_running)
        ui.queueButton.setEnabled(is_ready)
        ui.queueButton.setToolTip(why or _("Predict this patient after the one that is running"))
        ui.progressBar.setVisible(queue.is_running)
        ui.progressBar.setValue(round(BAR * queue.progress.share))
        _tell(ui.progressLabel, self._progress(queue))
        self._show_failure(queue.failure)
        self._show_log(queue)

    def show_notice(self, sentence: str) -> None:
        """What kept a patient from being loaded or predicted; it stands until the next notice, which may be empty."""
        self._notice = html.escape(for_panel(sentence))
        _tell(self._ui.failureLabel, self._notice)

    def _progress(self, queue: PredictionQueue) -> str:
        if not queue.is_running:
            return _("Cancelled.") if queue.was_cancelled else ""
        parts = [_described(queue.progress)]
        if queue.waiting:
            parts.append(_("{n} waiting.").format(n=len(queue.waiting)))
        return " ".join(parts)

    def _show_failure(self, failure: Failure | None) -> None:
        told = f"<b>{html.escape(failure.cause)}</b> {html.escape(failure.advice)}" if failure else ""
        _tell(self._ui.failureLabel, self._notice or told)

    def _show_log(self, queue: PredictionQueue) -> None:
        text = queue.log
        if text != self._ui.logText.plainText:
            self._ui.logText.setPlainText(text)
            bar = self._ui.logText.verticalScrollBar()
            bar.setValue(bar.maximum)  # the last lines say why
        if queue.failure and queue.failure.log:
            self._ui.logGroup.collapsed = False


def _tell(label: Any, text: str) -> None:
    """An empty label takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def _described(progress: Progress) -> str:
    text = STAGES[progress.stage]
    if progress.count:
        text += " " + _("(step {step} of {count})").format(step=progress.step, count=progress.count)
    if progress.remaining_s is not None:
        text += ", " + _("about {seconds:.0f} s left").format(seconds=progress.remaining_s)
    return f"{text}, " + _("{seconds:.0f} s so far.").format(seconds=progress.elapsed_s)
