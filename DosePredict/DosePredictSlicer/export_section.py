"""Where a prediction goes, and what will be written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib.core import DosePredictError

from . import dependencies
from .exporter import Exporter
from .result import Result

FOLDER, DATABASE, NODE = "folder", "database", "node"
TARGETS = {FOLDER: _("a folder"), DATABASE: _("Slicer's DICOM database"), NODE: _("a DICOM node")}
PROFILES = {"stub-plan": _("a stub plan without beams"), "plan": _("the plan of the patient"), "overview": _("no plan")}


class ExportSection:
    """Fills the section "Export"."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._result: Result | None = None
        for box, choices in ((ui.targetComboBox, TARGETS), (ui.profileComboBox, PROFILES)):
            for value, text in choices.items():
                box.addItem(text, value)
            box.connect("currentIndexChanged(int)", lambda _index: self._announce())
        ui.exportButton.connect("clicked(bool)", lambda _checked: self._export())

    def show(self, result: Result | None) -> None:
        """The prediction that would be exported."""
        self._result = result
        self._announce()

    def _exporter(self) -> Exporter:
        assert self._result is not None
        return Exporter(self._result, self._ui.profileComboBox.currentData)

    def _announce(self) -> None:
        """Says what will be written, or why nothing can be."""
        target = self._ui.targetComboBox.currentData
        self._ui.folderButton.setEnabled(target == FOLDER)
        for widget in (self._ui.hostEdit, self._ui.portSpinBox, self._ui.titleEdit):
            widget.setEnabled(target == NODE)
        try:
            text = self._exporter().announce() if self._result else _("There is no prediction to export.")
            possible = self._result is not None
        except DosePredictError as error:
            text, possible = str(error), False
        self._ui.exportLabel.setText(text)
        self._ui.exportButton.setEnabled(possible)
        self._ui.exportButton.setToolTip(_("Write it") if possible else text)

    def _export(self) -> None:
        ways: dict[str, Callable[[], list[Path]]] = {FOLDER: self._to_folder, DATABASE: self._to_database, NODE: self._to_node}
        try:
            with slicer.util.WaitCursor():
                files = ways[self._ui.targetComboBox.currentData]()
        except DosePredictError as error:
            self._ui.exportLabel.setText(str(error))
            return
        self._ui.exportLabel.setText(_("Written: {files}.").format(files=", ".join(path.name for path in files)))

    def _to_folder(self) -> list[Path]:
        return self._exporter().to_folder(Path(self._ui.folderButton.directory))

    def _to_database(self) -> list[Path]:
        return self._exporter().to_database()

    def _to_node(self) -> list[Path]:
        dependencies.ensure([dependencies.NETWORK])
        ui = self._ui
        return self._exporter().to_node(ui.hostEdit.text.strip(), ui.portSpinBox.value, ui.titleEdit.text.strip())
