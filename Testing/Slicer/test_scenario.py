"""As a physicist works: drop a folder, look, press Predict dose, review, export. Mouse and keyboard only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import qt
import slicer
from slicerhost import person, wait_until

from DosePredictLib.cli.main import main as dosepredict

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
def opened(panel: Any, patient_folder: Path) -> Any:
    """The panel with the synthetic patient."""
    person.drop(panel._drop, [patient_folder])
    settle(panel)
    return panel


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


def test_from_a_dropped_folder_to_an_rtdose_with_the_shipped_model(opened, patient_folder, tmp_path, monkeypatch):
    panel, ui = opened, opened.ui
    assert [node.GetName() for node in (panel.parameters.ct, panel.parameters.structures, panel.parameters.planned)] == [
        "CT", "Structures", "Planned dose",
    ]  # fmt: skip
    found = rows(panel)
    assert found["PTV70"] == ("target", "RTPLAN", "70")
    assert found["Parotid_L"] == ("Parotid_L", "by name", "")

    before = picture()
    predict(panel)
    assert shown_over_the_ct() == "Predicted dose"
    assert np.abs(picture() - before).max() > 50
    assert ui.provenanceLabel.text.startswith(f"{panel.parameters.model} ")

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
    assert shown_over_the_ct() == "Planned dose"
    assert panel.parameters.planned.GetDisplayNode().GetColorNode() is not None
    assert ui.predictButton.isEnabled()


def test_a_dicom_set_of_another_site_is_predicted_at_the_physicists_own_risk(panel, shared, tmp_path, monkeypatch):
    """A prostate phantom planned in Eclipse; the shipped model knows heads and necks."""
    ui, files = panel.ui, shared / "data" / "dicom-rt" / "eclipse-prostate-rando"
    person.drop(panel._drop, [files / "original_dicom", files / "derived_dicom"])
    settle(panel)
    assert rows(panel)["PTV"] == ("target", "RTPLAN", "46")
    assert not ui.predictButton.isEnabled()
    assert "Outside what the model was trained on" in ui.predictButton.toolTip
    person.click(ui.outsideDomainCheckBox)
    settle(panel)
    predict(panel)
    assert "Outside the domain of the model" in ui.provenanceLabel.text
    dose, plan = export(panel, tmp_path, monkeypatch)
    structures = next((files / "original_dicom").glob("RS*"))
    ct = files / "derived_dicom" / "CT_synthetic"
    assert dosepredict(["check-rtdose", str(dose), str(plan), "--ct", str(ct), "--rtstruct", str(structures)]) == 0


def test_names_and_doses_are_typed_into_the_table(opened):
    panel, table = opened, opened.ui.structuresTable
    by_name = {table.item(row, 0).text(): row for row in range(table.rowCount)}
    person.write_into_cell(table, by_name["PTV70"], 4, "66")
    settle(panel)
    assert rows(panel)["PTV70"] == ("target", "by you", "66")
    assert "PTV70 66 Gy" in panel.ui.checksLabel.text
    person.choose(table.cellWidget(by_name["Parotid_L"], 1), "—")
    settle(panel)
    assert rows(panel)["Parotid_L"][0] == "—"
    assert "Parotid_L" not in panel._patient.identified.names
    person.choose(table.cellWidget(by_name["Parotid_L"], 1), "Parotid_R")
    settle(panel)
    assert panel._patient.identified.names["Parotid_R"] == "Parotid_L"
    person.choose(table.cellWidget(by_name["Parotid_L"], 1), "Parotid_L")
    settle(panel)
    assert panel._patient.identified.names["Parotid_L"] == "Parotid_L"


def test_another_model_is_chosen_from_the_catalogue_and_its_card_shown(opened, untrained):
    panel = opened
    panel.refresh()
    person.choose(panel.ui.modelComboBox, "Untrained")
    settle(panel)
    assert panel.parameters.model == "tiny"
    assert panel.ui.cardBrowser.toPlainText().startswith("Untrained")
    assert "does not say what patients it was trained on" in panel.ui.checksLabel.text
    predict(panel)
    assert panel.ui.provenanceLabel.text.startswith("tiny 0; steps: 2")


def test_a_measured_dose_is_predicted_of_a_plan_that_comes_without_ct_and_structures(
    panel, untrained, patient_folder, tmp_path, monkeypatch
):
    """What is at hand in pre-treatment quality assurance: RTPLAN and RTDOSE."""
    ui, files, out = panel.ui, tmp_path / "qa", tmp_path / "out"
    for folder in (files, out):
        folder.mkdir()
    for file in (*patient_folder.rglob("RD*"), *patient_folder.rglob("RP*")):
        shutil.copy(file, files)
    person.drop(panel._drop, [files])
    settle(panel)
    assert "No CT is chosen" in ui.predictButton.toolTip
    person.choose(ui.modelComboBox, "Untrained B")
    settle(panel)
    assert "this model looks at it as well as at the planned dose" in ui.predictButton.toolTip
    person.choose(ui.modelComboBox, "Untrained A")
    settle(panel)
    assert "measured dose" in ui.modelLabel.text and not ui.outsideDomainCheckBox.enabled
    person.choose(ui.plannedSelector, "None")
    settle(panel)
    assert "No planned dose is chosen" in ui.predictButton.toolTip
    person.choose(ui.plannedSelector, "Planned dose")
    settle(panel)
    assert ui.predictButton.text == "Predict measured dose"
    predict(panel)
    assert shown_over_the_ct() == "Predicted measured dose (simulated training)"
    assert "simulated measurements" in ui.kindLabel.text and "Gamma\xa03\xa0%/2\xa0mm" in ui.kindLabel.text
    assert cells(ui.goalsTable)[0][2:] == ["95 %", "90 %"]
    assert not ui.showDvhButton.isEnabled()
    dose, plan = export(panel, out, monkeypatch)
    assert "PREDICTED MEASURED DOSE" in pydicom.dcmread(dose).SeriesDescription
    assert dosepredict(["check-rtdose", str(dose), str(plan)]) == 0
    person.click(ui.removeButton)
    settle(panel)
    assert panel.parameters.planned.GetName() == "Planned dose"


def test_what_kept_a_folder_from_loading_stays_to_be_read(panel, tmp_path):
    (tmp_path / "notes.txt").write_text("no DICOM")
    person.drop(panel._drop, [tmp_path])
    settle(panel)
    panel.refresh()
    assert "None of the 1 files found is DICOM" in panel.ui.failureLabel.text
    assert panel.ui.failureLabel.isVisible()


def test_slicer_is_quit_while_a_dose_is_predicted(opened, stand_in):
    panel = opened
    stand_in("count_slowly")
    person.click(panel.ui.predictButton)
    wait_until(lambda: "step" in panel.ui.progressLabel.text, 60, what="a step")
    worker = panel.queue._job._worker
    slicer.app.aboutToQuit.emit()
    assert not panel.queue.is_running
    assert worker.poll() is not None
