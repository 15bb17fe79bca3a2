"""The panel, as a person uses it; the background process is a stand-in, see test_module_run.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import qt
import slicer
from PySide6.QtTest import QTest
from slicerhost import packaging, slicerrt, wait_until


@pytest.fixture
def panel(module):
    """The panel of the entered module, with an empty scene."""
    slicer.util.selectModule("DosePredict")
    widget = slicer.modules.DosePredictWidget
    widget.initializeParameterNode()
    slicer.app.userSettings().remove("DosePredict/SiteNames")
    yield widget.panel
    widget.logic.queue.end_now()
    widget.logic.queue.results.clear()
    widget.logic.queue.failure = None


@pytest.fixture
def loaded(panel, patient_folder):
    """The panel with the synthetic patient, any case of which may be predicted."""
    panel.load([patient_folder])
    panel.parameters.outsideDomain = True
    panel.refresh()
    return panel


def click(widget) -> None:
    QTest.mouseClick(widget, qt.Qt.LeftButton)


def row_of(panel, roi: str) -> int:
    table = panel.ui.structuresTable
    return next(row for row in range(table.rowCount) if table.item(row, 0).text() == roi)


def chooser_of(panel, roi: str):
    return panel.ui.structuresTable.cellWidget(row_of(panel, roi), 1)


def choose(panel, roi: str, model_name: str) -> None:
    """As with the mouse: the box is told which entry was activated."""
    box = chooser_of(panel, roi)
    box.setCurrentIndex(box.findData(model_name))
    box.activated.emit(box.currentIndex)
    panel.refresh()


def type_dose(panel, roi: str, text: str) -> None:
    panel.ui.structuresTable.item(row_of(panel, roi), 4).setText(text)
    panel.refresh()


def test_without_a_patient_the_button_is_off_and_says_why(panel):
    assert not panel.ui.predictButton.enabled
    assert "No CT is chosen" in panel.ui.predictButton.toolTip
    assert "✗" in panel.ui.checksLabel.text


def test_a_dropped_folder_is_loaded_and_chosen(panel, patient_folder):
    panel._drop._on_drop([patient_folder])
    assert panel.parameters.ct.GetName() == "CT"
    assert panel.ui.structuresSelector.currentNode() is panel.parameters.structures
    assert panel.parameters.planned is not None
    assert "70 Gy" in panel.ui.checksLabel.text


def test_the_only_patient_in_the_scene_is_chosen_by_itself(panel, patient):
    panel.set_parameters(panel.parameters)
    assert panel.parameters.ct is patient.ct
    assert panel.parameters.structures is patient.structures
    assert panel.parameters.planned is patient.planned


def test_the_table_shows_names_volumes_and_prescription(loaded):
    table = loaded.ui.structuresTable
    assert table.rowCount == 11
    assert chooser_of(loaded, "Parotid_L").currentData == "Parotid_L"
    assert table.item(row_of(loaded, "PTV63"), 4).text() == "63"
    assert float(table.item(row_of(loaded, "PTV70"), 3).text()) == pytest.approx(165, rel=0.05)


def test_a_dose_typed_into_the_table_is_the_prescription(loaded):
    type_dose(loaded, "PTV70", "66,5")
    assert "PTV70 66.5 Gy" in loaded.ui.checksLabel.text


def test_an_impossible_dose_turns_the_button_off_and_says_why(loaded):
    type_dose(loaded, "PTV70", "7000")
    assert not loaded.ui.predictButton.enabled
    assert "cGy" in loaded.ui.predictButton.toolTip
    type_dose(loaded, "PTV70", "70")
    assert loaded.ui.predictButton.enabled


def test_a_name_given_by_hand_is_used_and_remembered_for_the_next_patient(loaded, patient_folder):
    segments = loaded.parameters.structures.GetSegmentation()
    segments.GetSegment(segments.GetSegmentIdBySegmentName("Larynx")).SetName("Kehlkopf xy")
    loaded.refresh()
    choose(loaded, "Kehlkopf xy", "Larynx")
    assert loaded._patient.identified.names["Larynx"] == "Kehlkopf xy"
    loaded.load([patient_folder])
    segments = loaded.parameters.structures.GetSegmentation()
    segments.GetSegment(segments.GetSegmentIdBySegmentName("Larynx")).SetName("Kehlkopf xy")
    loaded.refresh()
    assert loaded._patient.identified.names["Larynx"] == "Kehlkopf xy"


def test_what_was_typed_for_one_patient_is_forgotten_for_the_next(loaded, patient_folder):
    type_dose(loaded, "PTV70", "60")
    loaded.load([patient_folder])
    assert "PTV70 70 Gy" in loaded.ui.checksLabel.text


def test_predict_becomes_cancel_and_cancel_ends_the_run(loaded, stand_in):
    stand_in("count_slowly")
    click(loaded.ui.predictButton)
    assert loaded.ui.predictButton.text == "Cancel"
    wait_until(lambda: loaded.queue.progress.step > 2, 60, what="some steps")
    assert "Predicting (step" in loaded.ui.progressLabel.text
    assert loaded.ui.progressBar.value > 100
    click(loaded.ui.predictButton)
    wait_until(lambda: not loaded.queue.is_running, 10, what="the end")
    assert loaded.ui.predictButton.text == "Predict dose"
    assert loaded.ui.progressLabel.text == "Cancelled."
    assert loaded.ui.failureLabel.text == ""


def test_a_second_patient_waits_in_the_queue(loaded, stand_in):
    stand_in("count_slowly")
    click(loaded.ui.predictButton)
    assert loaded.ui.queueButton.enabled
    click(loaded.ui.queueButton)
    assert "1 waiting" in loaded.ui.progressLabel.text


def test_a_failure_shows_cause_advice_and_a_log_that_can_be_copied(loaded, stand_in):
    stand_in("break_down")
    click(loaded.ui.predictButton)
    wait_until(lambda: not loaded.queue.is_running, 60, what="the end")
    assert "unexpected error" in loaded.ui.failureLabel.text
    assert "Copy the log" in loaded.ui.failureLabel.text
    assert "Traceback" in loaded.ui.logText.plainText
    click(loaded.ui.copyLogButton)
    assert slicer.app.clipboard().text() == loaded.ui.logText.plainText
    assert loaded.ui.predictButton.enabled


def test_closing_the_scene_ends_the_run_and_the_panel_stays_usable(loaded, stand_in, patient_folder):
    stand_in("count_slowly")
    click(loaded.ui.predictButton)
    slicer.mrmlScene.Clear(0)
    assert not loaded.queue.is_running
    loaded.load([patient_folder])
    loaded.parameters.outsideDomain = True
    loaded.refresh()
    assert loaded.ui.predictButton.enabled


def test_leaving_the_module_during_a_run_loses_nothing(loaded, stand_in):
    stand_in("refuse")
    click(loaded.ui.predictButton)
    widget = slicer.modules.DosePredictWidget
    widget.exit()
    wait_until(lambda: not loaded.queue.is_running, 60, what="the end")
    widget.enter()
    assert "No CT was found" in loaded.ui.failureLabel.text


def test_missing_packages_are_asked_for_at_the_first_prediction_and_not_before(loaded, monkeypatch):
    from DosePredictSlicer import dependencies

    monkeypatch.delenv("DOSEPREDICT_PYTHON", raising=False)
    monkeypatch.setattr(dependencies, "is_installed", lambda requirement: "safetensors" not in requirement)
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_given, **_options: False)
    with packaging.of(installed=set()) as wanted:
        click(loaded.ui.predictButton)
    assert wanted == []
    assert "safetensors" in loaded.ui.failureLabel.text
    assert not loaded.queue.is_running


def test_a_package_counts_only_in_a_version_that_will_do(module):
    from DosePredictSlicer.dependencies import is_installed

    assert is_installed("numpy>=1.26")
    assert not is_installed("numpy>=999")
    assert not is_installed("no-such-package>=1")


@pytest.mark.parametrize("release", ["5.10", "5.12"])
def test_packages_are_installed_once_the_user_agrees(module, monkeypatch, release):
    from DosePredictSlicer import dependencies

    installed: set[str] = set()
    monkeypatch.setattr(dependencies, "is_installed", lambda requirement: requirement.split(">=")[0] in installed)
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_given, **_options: True)
    with packaging.of(release=release, installed=installed) as wanted:
        dependencies.ensure(["safetensors>=0.4"])
    assert wanted == ["safetensors>=0.4"]


def test_without_the_pytorch_extension_the_sentence_says_how_to_get_it(loaded, monkeypatch):
    from DosePredictSlicer import dependencies

    monkeypatch.delenv("DOSEPREDICT_PYTHON", raising=False)
    monkeypatch.setattr(dependencies, "is_installed", lambda requirement: "torch" not in requirement)
    click(loaded.ui.predictButton)
    assert "install the extension PyTorch" in loaded.ui.failureLabel.text


def test_a_plan_fills_in_ct_structures_and_prescription(panel, patient):
    with slicerrt.installed():
        plan = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLRTPlanNode", "plan")
        plan.SetAndObserveReferenceVolumeNode(patient.ct)
        plan.SetAndObserveSegmentationNode(patient.structures)
        plan.SetRxDose(70)
        panel._take_plan(plan)
        panel.refresh()
        assert panel.parameters.ct is patient.ct
        assert panel.parameters.structures is patient.structures
        assert "70 Gy" in panel.ui.checksLabel.text
        slicer.mrmlScene.RemoveNode(plan)


def test_the_model_card_says_data_scores_limits_and_licence(panel):
    text = panel.ui.cardBrowser.plainText
    for word in ("OpenKBP", "Limits", "Apache-2.0", "Measured"):
        assert word in text


def test_the_chosen_model_says_what_it_predicts_its_score_and_whether_its_weights_are_its_own(panel, monkeypatch):
    from DosePredictSlicer import model_section

    panel.parameters.model = "resdose"
    panel.refresh()
    for words in ("planned dose", "dose score", "OpenKBP validation", " MB, SHA-256 ", ", verified"):
        assert words in panel.ui.modelLabel.text
    monkeypatch.setattr(model_section, "_sha256", lambda *_given: "another")
    panel.refresh()
    assert "not those of the card" in panel.ui.modelLabel.text


def test_a_model_that_is_no_longer_installed_gives_way_to_the_default_one(panel):
    panel.parameters.model = "gone"
    panel.refresh()
    assert panel.ui.modelComboBox.currentData == "resdose"


def test_settings_without_effect_are_off_and_say_why(panel):
    panel.parameters.model = "unet"
    panel.refresh()
    for box in (panel.ui.samplesSpinBox, panel.ui.stepsSpinBox, panel.ui.seedSpinBox):
        assert not box.enabled
        assert "one step and without chance" in box.toolTip
    panel.parameters.model = "dosediff"
    panel.refresh()
    assert panel.ui.samplesSpinBox.enabled
    assert "averaged" in panel.ui.samplesSpinBox.toolTip


def test_a_model_is_imported_from_a_folder_and_chosen(panel, monkeypatch, tmp_path: Path):
    import json

    from DosePredictLib import registry

    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "weights.safetensors").write_bytes(b"weights")
    card = {"id": "new", "version": "1", "weights_sha256": registry.sha256(tmp_path / "new" / "weights.safetensors")}
    (tmp_path / "new" / "model.json").write_text(json.dumps(card))
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_given: str(tmp_path / "new"))
    panel._import_model(False)
    panel.refresh()
    assert panel.ui.modelComboBox.currentData == "new"
    (tmp_path / "new" / "weights.safetensors").write_bytes(b"damaged")
    panel._import_model(False)
    assert "damaged" in panel.ui.failureLabel.text
    panel.parameters.model = "dosediff"


def test_a_damaged_model_ends_in_one_sentence(panel, monkeypatch, tmp_path: Path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{")
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path))
    panel.refresh()
    assert "broken is not a model" in panel.ui.failureLabel.text


def test_devices_are_asked_for_in_a_process_of_their_own(panel, worker):
    import sys

    panel.ui.advancedGroup.collapsed = False
    click(panel.ui.probeButton)
    wait_until(lambda: panel.ui.deviceLabel.text, 120, what="an answer")
    assert panel.ui.deviceLabel.text.startswith("CPU")
    assert "torch" not in sys.modules


def test_a_torch_that_kills_its_process_is_said_to(module):
    from DosePredictSlicer.device_probe import sentences

    assert "ends its process" in sentences("")[0]
    assert "cannot be imported" in sentences('{"error": "torch cannot be imported (OSError)", "devices": []}')[0]
    answer = '{"error": "", "devices": [{"name": "RTX", "free_gb": 3.5, "problem": "it does not compute: no kernel image"}]}'
    assert sentences(answer) == ["RTX, 3.5 GB free: it does not compute: no kernel image"]


def test_all_settings_come_back_with_the_scene(panel, tmp_path: Path):
    panel.parameters.samples, panel.parameters.device, panel.parameters.grid = 5, "cpu", "3"
    file = tmp_path / "scene.mrml"
    slicer.util.saveScene(str(file))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(file))
    slicer.modules.DosePredictWidget.initializeParameterNode()
    assert (panel.parameters.samples, panel.parameters.device, panel.parameters.grid) == (5, "cpu", "3")
    assert panel.ui.samplesSpinBox.value == 5
