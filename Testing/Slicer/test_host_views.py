"""The stand-in's views show what is in the scene, and its mouse moves it."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
import slicer.util
from PySide6.QtTest import QTest
from slicerhost import wait_until


def picture(widget: object) -> np.ndarray:
    """Red, green and blue of what a widget shows, [row, column, 3]."""
    image = widget.grab().toImage().convertToFormat(qt.QImage.Format_RGB888)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return pixels[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


@pytest.fixture
def block() -> object:
    """A CT that is bright in one block and dark around it."""
    voxels = np.full((20, 40, 40), -1000, np.int16)
    voxels[:, 10:30, 10:30] = 1000
    node = slicer.util.addVolumeFromArray(voxels, name="CT")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevel(2000, 0)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node


def drawn(name: str = "Red") -> np.ndarray:
    view = slicer.app.layoutManager().sliceWidget(name)
    view.forceRender()
    return picture(view.drawing())


def test_a_slice_view_shows_a_bright_block_bright_and_air_dark(block):
    shown = drawn()
    height, width, _ = shown.shape
    assert shown[height // 2 + 12, width // 2 + 12].min() > 230
    assert (shown.min(axis=2) > 230).mean() < 0.5


def test_a_foreground_volume_in_a_colour_table_colours_the_slice(block):
    dose = slicer.util.addVolumeFromArray(np.full((20, 40, 40), 60.0, np.float32), name="dose")
    dose.CreateDefaultDisplayNodes()
    dose.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")
    dose.GetDisplayNode().AutoWindowLevelOff()
    dose.GetDisplayNode().SetWindowLevelMinMax(0, 60)
    slicer.util.setSliceViewerLayers(foreground=dose, foregroundOpacity=1.0)
    shown = drawn()
    center = shown[shown.shape[0] // 2 + 12, shown.shape[1] // 2 + 12]
    assert center[0] > 200 and center[1] < 30 and center[2] < 30


def test_the_wheel_moves_to_the_next_slice(block):
    view = slicer.app.layoutManager().sliceWidget("Red")
    before = view.sliceLogic().GetSliceOffset()
    center = qt.QPointF(view.drawing().rect.center())
    wheel = qt.QWheelEvent(
        center, center, qt.QPoint(), qt.QPoint(0, 120), qt.Qt.NoButton, qt.Qt.NoModifier, qt.Qt.NoScrollPhase, False
    )
    qt.QApplication.sendEvent(view.drawing(), wheel)
    assert abs(view.sliceLogic().GetSliceOffset() - before) == pytest.approx(1.0)


def test_a_segment_is_outlined_in_its_colour(block):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "structures")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(block)
    node.GetSegmentation().AddEmptySegment("PTV", "PTV", (0.0, 1.0, 0.0))
    mask = np.zeros((20, 40, 40), np.uint8)
    mask[5:15, 15:25, 15:25] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "PTV", block)
    assert slicer.util.arrayFromSegmentBinaryLabelmap(node, "PTV", block).sum() == mask.sum()
    slicer.app.processEvents()
    red, green, _ = np.moveaxis(drawn(), 2, 0)
    assert ((green - red) > 60).sum() > 100


def test_a_chart_draws_its_series_in_colour(faults):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "DVH")
    slicer.util.updateTableFromArray(table, (np.arange(50.0), np.linspace(100, 0, 50)), ["Dose", "Volume"])
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "PTV")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("Dose")
    series.SetYColumnName("Volume")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetLineWidth(4)
    series.SetColor(1, 0, 0)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    assert slicer.app.layoutManager().plotViewCount == 1
    view = slicer.app.layoutManager().plotWidget(0)
    wait_until(view.isVisible, what="the plot view")
    slicer.app.processEvents()
    view.forceRender()
    red, green, blue = np.moveaxis(picture(view.drawing()), 2, 0)
    assert ((red > 180) & (green < 80) & (blue < 80)).sum() > 100
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)


def test_a_typed_text_reaches_a_line_edit(application):
    line = qt.QLineEdit()
    QTest.keyClicks(line, "GTV 70")
    assert line.text == "GTV 70"
