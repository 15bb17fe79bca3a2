"""The panel: brings together what the user chose, what was found, and what runs. It decides nothing itself."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DosePredictLib import registry
from DosePredictLib.core import OARS, DosePredictError
from DosePredictLib.model_card import MEASURED, PLANNED, is_deterministic, predicts

from . import dependencies, site_names
from .checks import Check, Level, check, obstacles
from .device_probe import DeviceProbe
from .export_section import ExportSection
from .folder_drop import FolderDrop
from .folder_loader import load_folder
from .model_section import ModelSection
from .patient import Patient, state_of
from .prediction_queue import PredictionQueue, Settings
from .preselection import preselect
from .result import Result
from .results_section import ResultsSection
from .run_section import RunSection
from .structures_table import StructuresTable

SETTLE_MS = 200  # after the last of several changes
MARKS = {Level.GOOD: ("✓", "#2e7d32"), Level.DOUBT: ("!", "#b26a00"), Level.STOP: ("✗", "#c62828")}


class Panel:
    """Connects the widgets of the .ui file with the parameter node and the queue of predictions."""

    def __init__(self, ui: Any, queue: PredictionQueue) -> None:
        self.ui, self.queue = ui, queue
        self.parameters: Any = None
        self._patient: Patient | None = None
        self._read_from: tuple[Any, ...] = ()
        self._checks: list[Check] = []
        self._predicts = PLANNED
        self._seen = len(queue.results)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.connect("timeout()", self.refresh)
        self._structures = StructuresTable(ui.structuresTable, self._name, self._prescribe)
        self._model = ModelSection(ui, self._set)
        self._run = RunSection(ui)
        self._results = ResultsSection(ui)
        self._export = ExportSection(ui)
        self._probe = DeviceProbe(lambda sentences: ui.deviceLabel.setText("\n".join(sentences)))
        queue.on_change = self.show_run
        self._connect()

    def set_parameters(self, parameters: Any) -> None:
        """The parameter node to show; None while there is no scene."""
        self.parameters = parameters
        self._read_from = ()
        if parameters is not None:
            preselect(parameters)
            self.refresh()

    def refresh_soon(self, *_given: Any) -> None:
        """Look again at what is chosen, once the changes have come to rest."""
        self._timer.start()

    def refresh(self) -> None:
        """Look at what is chosen, and show it."""
        if self.parameters is None:
            return
        try:
            self._refresh()
        except DosePredictError as error:  # a model that cannot be read
            self._checks = [Check(Level.STOP, str(error))]
            self.show_run()
            self._run.show_notice(str(error))

    def _refresh(self) -> None:
        self._forget_wishes_for_others()
        parameters, model = self.parameters, self._model_info()
        self._model.show(model.id, parameters.device, parameters.grid)
        self._predicts = MEASURED if predicts(model.card) == MEASURED else PLANNED
        self._patient = self._current_patient()
        self._checks = check(self._patient, model, outside_domain=parameters.outsideDomain)
        self._show_structures(model)
        self.ui.checksLabel.setText(_as_html(self._checks))
        self._results.show(Result.of(parameters.predicted))
        self._export.show(Result.of(parameters.predicted))
        self.show_run()

    def show_run(self) -> None:
        """Show the queue; bring a new prediction to view."""
        self._run.show(self.queue, obstacles(self._checks), predicts=self._predicts)
        if len(self.queue.results) > self._seen and self.parameters is not None:
            self._seen = len(self.queue.results)
            result = self.queue.results[-1]
            self.parameters.predicted = result.node("predicted")
            self._results.present(result)
            self._export.show(result)

    def load(self, paths: list[Path]) -> None:
        """Load the patient found in folders and files, and choose it."""
        try:
            with slicer.util.WaitCursor():
                loaded = load_folder(paths)
        except DosePredictError as error:
            self._run.show_notice(str(error))
            return
        self.parameters.ct, self.parameters.structures, self.parameters.planned = loaded.ct, loaded.structures, loaded.planned
        slicer.util.setSliceViewerLayers(background=loaded.ct or loaded.planned, fit=True)
        self.refresh()
        self._run.show_notice(" ".join(loaded.warnings))

    def predict(self) -> None:
        """Predict the chosen patient, after those that wait."""
        self._run.show_notice("")
        try:
            dependencies.ensure_for_prediction()
            self.queue.add(self._fresh_patient(), self._settings())
        except DosePredictError as error:
            self._run.show_notice(str(error))

    def _predict_or_cancel(self) -> None:
        if self.queue.is_running:
            self.queue.cancel()
        else:
            self.predict()

    def _connect(self) -> None:
        ui = self.ui
        self._drop = FolderDrop(self.load)
        ui.patientSection.layout().addRow(self._drop)
        ui.loadFolderButton.connect("clicked(bool)", self._choose_folder)
        ui.predictButton.connect("clicked(bool)", lambda _checked: self._predict_or_cancel())
        ui.queueButton.connect("clicked(bool)", lambda _checked: self.predict())
        ui.probeButton.connect("clicked(bool)", lambda _checked: self._probe.start())
        ui.importModelButton.connect("clicked(bool)", self._import_model)
        ui.planSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._take_plan)

    def _choose_folder(self, _checked: bool) -> None:
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder with CT and structure set"))
        if folder:
            self.load([Path(folder)])

    def _import_model(self, _checked: bool) -> None:
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder with weights and model.json"))
        if not folder:
            return
        try:
            self._set("model", registry.install(Path(folder)).id)
        except DosePredictError as error:
            self._run.show_notice(str(error))

    def _model_info(self) -> registry.ModelInfo:
        """The chosen model; the default one where that is no longer installed."""
        if self.parameters.model not in {model.id for model in registry.available()}:
            self.parameters.model = registry.DEFAULT_MODEL
        return registry.find(self.parameters.model)

    def _settings(self) -> Settings:
        """As chosen; what has no effect on the model is left at its usual value."""
        chosen, model = self.parameters, self._model_info()
        usual = Settings(model=model.id, device=chosen.device, grid=chosen.grid, outside_domain=chosen.outsideDomain)
        if is_deterministic(model.card):
            return usual
        return replace(usual, steps=chosen.steps or None, samples=chosen.samples or None, seed=chosen.seed)

    def _current_patient(self) -> Patient:
        """As chosen; what was read from the scene is kept until it changes there."""
        chosen = (self.parameters.ct, self.parameters.structures, self.parameters.planned, self.parameters.plan)
        source = tuple(state_of(node) for node in chosen)
        if self._patient is None or source != self._read_from:
            self._read_from = source
            return self._fresh_patient()
        return self._patient.wishing(self._names(self._patient), json.loads(self.parameters.prescription))

    def _fresh_patient(self) -> Patient:
        chosen = self.parameters
        plan = slicer.mrmlScene.GetNodeByID(chosen.plan) if chosen.plan else None
        patient = Patient(chosen.ct, chosen.structures, chosen.planned, plan)
        return patient.wishing(self._names(patient), json.loads(chosen.prescription))

    def _names(self, patient: Patient) -> dict[str, str]:
        """What the user says of this patient, over what was said of earlier ones."""
        try:
            rois = patient.structure_set.names
        except DosePredictError:
            rois = ()
        return {**site_names.remembered(rois), **json.loads(self.parameters.names)}

    def _show_structures(self, model: registry.ModelInfo) -> None:
        organs, is_planning = tuple(model.card.get("organs", OARS)), predicts(model.card) != MEASURED
        self.ui.structuresLabel.setVisible(not is_planning)
        try:
            self._structures.show(self._patient, organs, with_wishes=is_planning)
        except DosePredictError:  # said among the checks, where they are needed
            self._structures.show(None)

    def _forget_wishes_for_others(self) -> None:
        """Names and doses typed for one patient mean nothing for another."""
        structures = self.parameters.structures
        identifier = structures.GetID() if structures is not None else ""
        if self.parameters.wishesFor != identifier:
            self.parameters.names = self.parameters.prescription = "{}"
            self.parameters.wishesFor = identifier

    def _set(self, parameter: str, value: str) -> None:
        setattr(self.parameters, parameter, value)
        self.refresh_soon()

    def _name(self, roi: str, model_name: str) -> None:
        """The user says what a segment is; by "" that it is nothing the model knows."""
        assert self._patient is not None
        site_names.remember(roi, model_name)
        wished = {name: wish for name, wish in json.loads(self.parameters.names).items() if wish != roi}
        known = site_names.remembered(self._patient.structure_set.names)
        recognised = self._patient.wishing({**known, **wished}, {}).identified.names
        wished |= {name: "" for name, own in recognised.items() if own == roi}
        if model_name:
            wished[model_name] = roi
        self._set("names", json.dumps(wished))

    def _prescribe(self, doses: dict[str, float]) -> None:
        self._set("prescription", json.dumps(doses))

    def _take_plan(self, plan: Any) -> None:
        """A plan says which CT and structures it was made on."""
        if self.parameters is None:
            return
        self.parameters.plan = plan.GetID() if plan is not None else ""
        if plan is not None:
            self.parameters.ct = plan.GetReferenceVolumeNode() or self.parameters.ct
            self.parameters.structures = plan.GetSegmentationNode() or self.parameters.structures
        self._read_from = ()
        self.refresh_soon()


def _as_html(checks: list[Check]) -> str:
    rows = (
        f'<tr><td style="color:{color}"><b>{mark}</b>&nbsp;</td><td>{html.escape(entry.sentence)}</td></tr>'
        for entry in checks
        for mark, color in [MARKS[entry.level]]
    )
    return f"<table>{''.join(rows)}</table>"
