"""Parameters of the stand-in mean what they mean in Slicer (slicer.parameterNodeWrapper)."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import ctk
import pytest
import qt
import slicer
import vtk
from PySide6.QtTest import QTest
from slicer.parameterNodeWrapper import Choice, Default, Minimum, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic


class Device(enum.Enum):
    AUTOMATIC = "auto"
    CPU = "cpu"


@parameterNodeWrapper
class Parameters:
    ct: slicer.vtkMRMLScalarVolumeNode
    structures: slicer.vtkMRMLSegmentationNode | None
    prescription: Annotated[float, WithinRange(0, 100)] = 70.0
    samples: Annotated[int, Minimum(1), Default(4)]
    model: Annotated[str, Choice(["dosediff", "resdose"])] = "resdose"
    note: str
    show: bool = True
    device: Device
    folder: Path
    doses: list[float]


@pytest.fixture
def parameters(application) -> Parameters:
    return Parameters(PlanningLogic().getParameterNode())


class PlanningLogic(ScriptedLoadableModuleLogic):
    """The logic of a module named Planning."""


PANELS: list = []  # a widget lives as long as something refers to it


def panel(**widgets: object) -> object:
    """A widget whose children are bound to the parameters of these names."""
    parent = slicer.qMRMLWidget()
    layout = qt.QVBoxLayout(parent)
    for name, widget in widgets.items():
        widget.setProperty("SlicerParameterName", name)
        layout.addWidget(widget)
        if hasattr(widget, "setMRMLScene"):
            widget.setMRMLScene(slicer.mrmlScene)
    PANELS.append(parent)
    return parent


def test_defaults_come_from_the_class_or_the_annotation_or_the_type(parameters):
    assert (parameters.prescription, parameters.samples, parameters.model, parameters.show) == (70.0, 4, "resdose", True)
    assert (parameters.note, parameters.ct, parameters.device, list(parameters.doses)) == ("", None, Device.AUTOMATIC, [])


def test_values_live_in_the_parameter_node(parameters):
    parameters.prescription = 54
    parameters.device = Device.CPU
    parameters.folder = Path("/data/Lékař 日本")
    again = Parameters(parameters.parameterNode)
    assert (again.prescription, again.device, again.folder) == (54.0, Device.CPU, Path("/data/Lékař 日本"))
    assert parameters.parameterNode.GetParameter("prescription") == "54"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("prescription", 101.0, ValueError),
        ("prescription", "70", TypeError),
        ("samples", 0, ValueError),
        ("samples", 1.5, TypeError),
        ("model", "unknown", ValueError),
        ("note", None, ValueError),
        ("ct", "vtkMRMLScalarVolumeNode1", TypeError),
    ],
)
def test_a_value_of_the_wrong_type_or_outside_its_limits_is_refused(parameters, name, value, error):
    before = getattr(parameters, name)
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert getattr(parameters, name) == before


def test_a_node_of_another_class_is_refused(parameters):
    with pytest.raises(TypeError):
        parameters.ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")


def test_a_removed_node_leaves_none(parameters):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    parameters.ct = node
    assert parameters.ct is node
    slicer.mrmlScene.RemoveNode(node)
    assert parameters.ct is None


def test_a_list_saves_every_change_of_itself(parameters):
    parameters.doses = [70.0]
    parameters.doses.append(56.0)
    parameters.doses[0] = 66.0
    assert list(Parameters(parameters.parameterNode).doses) == [66.0, 56.0]
    with pytest.raises(TypeError):
        parameters.doses.append("50")


def test_one_change_is_one_modified_event(parameters):
    heard = []
    parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: heard.append(parameters.prescription))
    parameters.prescription = 60.0
    assert heard == [60.0]


def test_connected_widgets_and_parameters_follow_each_other(parameters):
    box, check, choice = qt.QDoubleSpinBox(), qt.QCheckBox(), qt.QComboBox()
    tag = parameters.connectGui(panel(prescription=box, show=check, device=choice))
    assert (box.value, box.maximum, check.checked, choice.count) == (70.0, 100.0, True, 2)
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "54.5")
    QTest.keyClick(box, qt.Qt.Key_Return)
    QTest.mouseClick(check, qt.Qt.LeftButton, pos=qt.QPoint(8, check.height // 2))
    choice.setCurrentIndex(1)
    assert (parameters.prescription, parameters.show, parameters.device) == (54.5, False, Device.CPU)
    parameters.prescription = 66.0
    assert box.value == 66.0
    parameters.disconnectGui(tag)
    parameters.prescription = 50.0
    box.value = 20.0
    assert (box.value, parameters.prescription) == (20.0, 50.0)


def test_a_node_selector_takes_the_class_of_its_parameter(parameters):
    selector = slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    parameters.connectGui(panel(ct=selector))
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert selector.nodeTypes == ("vtkMRMLScalarVolumeNode",) and selector.nodeCount() == 1
    selector.setCurrentNode(node)
    assert parameters.ct is node
    slicer.mrmlScene.RemoveNode(node)
    assert parameters.ct is None and selector.currentNode() is None


@pytest.mark.parametrize(
    ("name", "widget"),
    [
        ("samples", "ctkSliderWidget"),
        ("note", "QComboBox"),
        ("note", "QSpinBox"),
        ("show", "QRadioButton"),
        ("doses", "QLineEdit"),
    ],
)
def test_pairs_of_type_and_widget_that_slicer_does_not_know_are_refused(parameters, name, widget):
    made = (getattr(ctk, widget, None) or getattr(qt, widget))()
    with pytest.raises(RuntimeError):
        parameters.connectGui(panel(**{name: made}))


def test_closing_the_scene_brings_the_defaults_back(parameters):
    parameters.prescription = 54.0
    slicer.mrmlScene.Clear(0)
    assert Parameters(PlanningLogic().getParameterNode()).prescription == 70.0


def test_a_name_of_the_wrapper_itself_is_refused(application):
    with pytest.raises(ValueError, match="reserved"):

        @parameterNodeWrapper
        class Bad:
            default: float


def test_a_parameter_node_is_made_once_in_a_scene(application):
    assert PlanningLogic().getParameterNode() is PlanningLogic().getParameterNode()
    assert len(PlanningLogic().getAllParameterNodes()) == 1


def test_a_node_selector_chooses_nothing_by_itself_and_falls_back_when_its_node_leaves(application):
    first = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "first")
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLTableNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    second = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "second")
    assert selector.currentNode() is None and selector.nodeCount() == 2
    selector.setCurrentNode(first)
    slicer.mrmlScene.RemoveNode(first)
    assert selector.currentNode() is second
