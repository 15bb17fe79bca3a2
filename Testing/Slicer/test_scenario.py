"""As a physicist works: drop a folder, look, press Predict dose, review, export. Mouse and keyboard only."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer
from slicerhost import person, wait_until

from DosePredictLib.cli.main import main as dosepredict

TESTING = Path(__file__).resolve().parents[1]
PREDICTION_S = 400  # on a busy machine; a tenth of it on an idle one


@pytest.fixture
def panel(module: object, worker: None) -> Iterator[Any]:
    """The panel of the module, opened; nothing of it is left running."""
    slicer.util.selectModule("DosePredict")
    widget = slicer.modules.dosepredict.widgetRepresentation().self()
    widget.initializeParameterNode()
    yield widget.panel
    widget.logic.queue.end_now()


@pytest.fixture
def untrained(worker_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick model is in the catalogue."""
    paths = os.pathsep.join(map(str, (TESTING.parent, TESTING)))
    subprocess.run([worker_python, TESTING / "tiny_model.py", tmp_path], check=True, env={**os.environ, "PYTHONPATH": paths})
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path))


def is_settled(panel: Any) -> bool:
    """Whether the panel has looked at the last change."""
    qt.QApplication.processEvents()
    return not panel._timer.isActive()


def settle(panel: Any) -> None:
    wait_until(lambda: is_settled(panel), 60, what="the panel's look at what has changed")


def rows(panel: Any) -> dict[str, tuple[str, str, str]]:
    """Segment -> what the model calls it, how it was recognised, Gy."""
    table = panel.ui.structuresTable
    return {
        table.item(row, 0).text(): (table.cellWidget(row, 1).currentText, table.item(row, 2).text(), table.item(row, 4).text())
        for row in range(table.rowCount)
    }


def predict(panel: Any) -> None:
    """Press the button and wait for the dose."""
    person.click(panel.ui.predictButton)
    assert panel.ui.predictButton.text == "Cancel"
    wait_until(lambda: not panel.queue.is_running, PREDICTION_S, what="the prediction")
    assert panel.queue.failure is None, f"{panel.queue.failure}\n{panel.queue.log}"


def shown_over_the_ct() -> str:
    """Name of the volume that colours the red slice view, empty for none."""
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    node = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")
    return node.GetName() if node else ""


def picture(name: str = "Red") -> np.ndarray:
    view = slicer.app.layoutManager().sliceWidget(name)
    view.forceRender()
    image = view.drawing().grab().toImage().convertToFormat(qt.QImage.Format_RGB888)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine()).astype(int)


def cells(view: Any) -> list[list[str]]:
    """What a table on the panel shows."""
    model = view.model()
    return [[model.index(row, column).data() for column in range(model.columnCount())] for row in range(model.rowCount())]


def export(panel: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Choose a folder in the dialog, which belongs to the system and is answered here, and press Export."""
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_given: str(folder))
    person.click(panel.ui.folderButton)
    assert "NOT FOR TREATMENT" in panel.ui.exportLabel.text
    person.click(panel.ui.exportButton)
    assert panel.ui.exportLabel.text.startswith("Written: ")
    return sorted(folder.glob("R?.*.dcm"))


def test_from_a_dropped_folder_to_an_rtdose_with_the_shipped_model(panel, patient_folder, tmp_path, monkeypatch):
    ui = panel.ui
    person.drop(panel._drop, [patient_folder])
    settle(panel)
    assert [node.GetName() for node in (panel.parameters.ct, panel.parameters.structures, panel.parameters.planned)] == [
        "CT", "Structures", "Planned dose",
    ]  # fmt: skip
    found = rows(panel)
    assert found["PTV70"] == ("target", "RTPLAN", "70")
    assert found["Parotid_L"] == ("Parotid_L", "by name", "")
    assert not ui.predictButton.isEnabled()  # the patient of the tests is coarser than any the model was trained on
    assert "Outside what the model was trained on" in ui.predictButton.toolTip

    person.click(ui.outsideDomainCheckBox)
    settle(panel)
    assert ui.predictButton.isEnabled()
    before = picture()
    predict(panel)
    assert shown_over_the_ct() == "Predicted dose"
    assert np.abs(picture() - before).max() > 50
    assert "Outside the domain of the model" in ui.provenanceLabel.text

    person.choose(ui.washComboBox, "predicted - planned")
    assert shown_over_the_ct() == "Predicted - planned dose"
    person.choose(ui.washComboBox, "planned dose")
    assert shown_over_the_ct() == "Planned dose"
    washed = picture()
    person.click(ui.isodosesCheckBox)
    assert np.abs(picture() - washed).max() > 50

    person.click(ui.showDvhButton)
    chart = slicer.mrmlScene.GetNodeByID(slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode().GetPlotChartNodeID())
    assert chart.GetNumberOfPlotSeriesNodes() == 22  # eleven structures, planned and predicted
    assert ["SpinalCord", "D0.03cc ≤ 45 Gy"] in [row[:2] for row in cells(ui.goalsTable)]
    assert len(cells(ui.metricsTable)) == 11

    dose, plan = export(panel, tmp_path, monkeypatch)
    structures = next(patient_folder.rglob("RS*"))
    assert dosepredict(["check-rtdose", str(dose), str(plan), "--ct", str(patient_folder), "--rtstruct", str(structures)]) == 0

    person.click(ui.removeButton)
    settle(panel)
    assert not slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")
    assert shown_over_the_ct() == ""
    assert ui.predictButton.isEnabled()
