"""What Slicer refuses, the stand-in refuses too; what fails out of sight is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import ctk
import pytest
import qt
import slicer
import slicer.util
import slicerhost
import vtk
from slicerhost import dicom, packaging, wait_until

UI = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel"><layout class="QVBoxLayout" name="rows">
  <item><widget class="{widget}" name="one"><property name="{property}"><bool>true</bool></property></widget></item>
  <item><widget class="qMRMLNodeComboBox" name="selector"><property name="nodeTypes"><stringlist><string>vtkMRMLTableNode</string>
  </stringlist></property><property name="SlicerParameterName" stdset="0"><string>table</string></property></widget></item>
</layout></widget><connections><connection><sender>Panel</sender><signal>{signal}</signal><receiver>selector</receiver>
<slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""
GOOD = {"widget": "QCheckBox", "property": "checked", "signal": "mrmlSceneChanged(vtkMRMLScene*)"}


def load(folder: Path, **changed: str) -> object:
    (folder / "panel.ui").write_text(UI.format(**GOOD | changed))
    return slicer.util.loadUI(str(folder / "panel.ui"))


def test_a_ui_file_becomes_widgets_that_follow_the_scene(application, tmp_path):
    panel = load(tmp_path)
    ui = slicer.util.childWidgetVariables(panel)
    panel.setMRMLScene(slicer.mrmlScene)
    assert ui.one.checked and ui.selector.mrmlScene() is slicer.mrmlScene
    assert ui.selector.property("SlicerParameterName") == "table"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"widget": "ctkUnknownWidget"}, "ctkUnknownWidget"),
        ({"property": "checkd"}, "checkd"),
        ({"signal": "sceneChanged(vtkMRMLScene*)"}, "sceneChanged"),
    ],
)
def test_an_unknown_class_property_or_signal_in_a_ui_file_is_an_error(application, tmp_path, changed, named):
    with pytest.raises(RuntimeError, match=named):
        load(tmp_path, **changed)


@pytest.mark.parametrize(
    ("widget", "signal"),
    [
        ("QPushButton", "clicked"),
        ("QPushButton", "clicked(int)"),
        ("QPushButton", "pushed()"),
        ("QSpinBox", "valueChanged(double)"),
        ("qMRMLNodeComboBox", "currentNodeChanged(vtkMRMLScalarVolumeNode*)"),
        ("qMRMLNodeComboBox", "currentNodeChanged(PyObject)"),
        ("ctkCollapsibleButton", "collapsed(bool)"),
    ],
)
def test_a_signal_that_the_class_does_not_have_cannot_be_connected(application, widget, signal):
    instance = next(getattr(place, widget) for place in (qt, ctk, slicer) if hasattr(place, widget))()
    with pytest.raises(RuntimeError, match="has no signal"):
        instance.connect(signal, lambda *_: None)


def test_a_signal_without_arguments_calls_without_and_a_disconnected_one_not_at_all(application):
    heard = []

    def slot(*given: object) -> None:
        heard.append(given)

    button = qt.QPushButton()
    button.connect("clicked()", slot)
    button.connect("clicked(bool)", slot)
    button.click()
    assert sorted(heard) == [(), (False,)]
    button.disconnect("clicked()", slot)
    button.click()
    assert sorted(heard) == [(), (False,), (False,)]


def test_properties_are_attributes_as_in_pythonqt(application):
    label = qt.QLabel("dose")
    assert label.text == "dose" and label.className() == "QLabel"
    with pytest.raises(TypeError):
        label.text()
    label.text = "predicted"
    assert label.text == "predicted"
    with pytest.raises(AttributeError):
        qt.QSpinBox().maximumWidth = "wide"


@pytest.mark.parametrize("name", ["Signal", "Slot", "Property"])
def test_what_only_pyside_has_is_not_in_qt(name):
    assert not hasattr(qt, name)


def test_exceptions_in_slots_timers_and_observers_are_heard(application):
    def fail(*_: object) -> None:
        raise ValueError("dose")

    button, node = qt.QPushButton(), vtk.vtkObject()
    button.connect("clicked()", fail)
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, fail)
    with slicerhost.Faults() as faults:
        button.click()
        node.Modified()
        qt.QTimer.singleShot(0, fail)
        wait_until(lambda: len(faults.texts) == 3, what="the third exception")
    assert all("ValueError: dose" in text for text in faults.texts)


def test_the_module_s_panel_opens_reloads_and_is_cleaned_up(module):
    slicer.util.selectModule("DosePredict")
    first = slicer.util.getModuleWidget("DosePredict")
    slicer.util.reloadScriptedModule("DosePredict")
    second = slicer.util.getModuleWidget("DosePredict")
    assert second is not first and type(second) is not type(first)


def test_packages_are_asked_for_and_a_refusal_is_an_error(application, monkeypatch):
    answers = iter([True, False])
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *given, **options: next(answers))
    slicer.app.setTestingEnabled(False)
    with packaging.of(installed={"numpy"}) as wanted:
        slicer.packaging.pip_ensure(["numpy>=1", "pydicom>=2.4"])
        with pytest.raises(RuntimeError, match="declined"):
            slicer.packaging.pip_ensure("safetensors")
    slicer.app.setTestingEnabled(True)
    assert wanted == ["pydicom>=2.4"]


def test_slicer_5_10_has_no_packaging_but_pip_install(application):
    with packaging.of(release="5.10") as wanted:
        assert not hasattr(slicer, "packaging") and "slicer.packaging" not in sys.modules
        slicer.util.pip_install("pydicom")
    assert wanted == ["pydicom"] and hasattr(slicer, "packaging")


def test_the_dicom_database_finds_the_files_of_a_series(application, phantom_folder):
    with dicom.database(phantom_folder) as database:
        (patient,) = database.patients()
        series = [one for study in database.studiesForPatient(patient) for one in database.seriesForStudy(study)]
        found = {database.fileValue(database.filesForSeries(one)[0], "0008,0060"): one for one in series}
        assert {"CT", "RTSTRUCT"} <= set(found)
        slices = database.filesForSeries(found["CT"])
        assert len(slices) > 10 and database.fileForInstance(database.instancesForSeries(found["CT"])[3]) == slices[3]
    assert not hasattr(slicer, "dicomDatabase")
