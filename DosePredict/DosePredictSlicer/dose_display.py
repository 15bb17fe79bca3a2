"""How doses are shown: a wash, isodose lines in percent, in the colours of their kind; the CT's window is left as it is."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from . import dose_colors
from .kinds import MEASURED, PLAN, kind_of
from .result import DIFFERENCE, GAMMA, ISODOSES, PLANNED, PREDICTED, ROLE, UNCERTAINTY, Result

OPACITY = 0.45
LINE_WIDTH = 2
LEGEND = "DosePredict.Legend"  # attribute of the colour legends made here
LEGEND_SIZE = (0.12, 0.5)  # shares of a slice view
LABELS = {DIFFERENCE: 5, UNCERTAINTY: 4, GAMMA: 5}
GAMMA_END = 2.0


def prepare(result: Result) -> None:
    """Colours, window and threshold of each volume of a prediction."""
    kind, full = result.kind, result.full_gy
    _show(result, PREDICTED, kind.wash, 0, dose_colors.WASH_END * full, dose_colors.WASH_FROM * full)
    _show(result, UNCERTAINTY, dose_colors.uncertainty, 0, 0.15 * full, 0.01 * full)
    _show(result, DIFFERENCE, kind.difference, -kind.difference_share * full, kind.difference_share * full, None)
    _show(result, GAMMA, dose_colors.gamma, 0, GAMMA_END, None)


def dress_planned(result: Result) -> None:
    """The planned dose in the colours of planned doses, in the range of the prediction; it keeps them when that is removed."""
    planned, predicted = result.source(PLANNED), result.node(PREDICTED).GetDisplayNode()
    if planned is None:
        return
    planned.CreateDefaultDisplayNodes()
    display = planned.GetDisplayNode()
    if not dose_colors.is_wash(display.GetColorNode()):
        display.SetAndObserveColorNodeID(dose_colors.wash().GetID())
    elif result.kind is MEASURED:  # has a range in percent of its prescription already
        return
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(predicted.GetWindowLevelMin(), predicted.GetWindowLevelMax())
    display.SetThreshold(predicted.GetLowerThreshold(), predicted.GetUpperThreshold())
    display.SetApplyThreshold(True)


def show_wash(volume: Any, *, opacity: float = OPACITY) -> None:
    """A volume over whatever the slice views show; None takes it away."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        composite.SetForegroundVolumeID(volume.GetID() if volume is not None else None)
        composite.SetForegroundOpacity(opacity)
    _show_legend(volume)


def show_background(ct: Any) -> None:
    """The CT behind, where a slice view shows nothing else yet."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if not composite.GetBackgroundVolumeID() and ct is not None:
            composite.SetBackgroundVolumeID(ct.GetID())


def isodose_lines(result: Result, visible: bool) -> Any:
    """Isodose lines of the prediction in the slice views, made at first use; None where the dose reaches no level."""
    model = result.node(ISODOSES)
    if model is None and visible:
        model = _isodose_model(result)
    if model is not None:
        model.GetDisplayNode().SetVisibility(visible)
    return model


def _show_legend(volume: Any) -> None:
    """What the colours mean in Gy, in the slice views, for the volume that is shown and no other of ours; None hides all."""
    for legend in slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode"):
        if legend.GetAttribute(LEGEND):
            legend.SetVisibility(False)
    if volume is None:
        return
    logic = slicer.modules.colors.logic()
    legend = logic.GetColorLegendDisplayNode(volume) or logic.AddDefaultColorLegendDisplayNode(volume)
    legend.SetAttribute(LEGEND, "1")
    legend.SetTitleText("gamma" if volume.GetAttribute(ROLE) == GAMMA else "Gy")
    legend.SetLabelFormat("%.3g")
    legend.SetNumberOfLabels(LABELS.get(volume.GetAttribute(ROLE), (kind_of(volume) or PLAN).labels))
    legend.SetSize(*LEGEND_SIZE)
    legend.SetVisibility(True)


def _show(result: Result, role: str, colors: Any, low: float, high: float, threshold: float | None) -> None:
    volume = result.node(role)
    if volume is None:
        return
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID(result.adopt(colors(), f"{role} colours").GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(low, high)
    display.SetInterpolate(True)
    if threshold is not None:
        display.SetThreshold(threshold, 10 * high)
        display.SetApplyThreshold(True)


def _isodose_model(result: Result) -> Any:
    dose = result.node(PREDICTED)
    colors = result.adopt(dose_colors.isodoses(result.full_gy, result.kind.levels), "isodose colours")
    surfaces = vtk.vtkAppendPolyData()
    levels = [float(colors.GetColorName(number)) for number in range(colors.GetNumberOfColors())]
    highest = dose.GetImageData().GetScalarRange()[1]
    for number, level in enumerate(levels):
        if level < highest:
            surfaces.AddInputData(_surface(dose, level, number))
    if surfaces.GetNumberOfInputConnections(0) == 0:
        return None
    surfaces.Update()
    name = slicer.mrmlScene.GenerateUniqueName(result.kind.lines)
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    model.SetAndObservePolyData(surfaces.GetOutput())
    _show_in_slices(model, colors)
    return result.adopt(model, ISODOSES)


def _surface(dose: Any, level: float, number: int) -> Any:
    """The surface of one level in RAS, every point with the level's number."""
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(dose.GetImageData())
    contour.SetValue(0, level)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    transform = vtk.vtkTransform()
    matrix = vtk.vtkMatrix4x4()
    dose.GetIJKToRASMatrix(matrix)
    transform.SetMatrix(matrix)
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(contour.GetOutputPort())
    placed.SetTransform(transform)
    placed.Update()
    surface = placed.GetOutput()
    numbers = vtk.vtkFloatArray()
    numbers.SetName("isolevels")
    numbers.SetNumberOfTuples(surface.GetNumberOfPoints())
    numbers.Fill(number)
    surface.GetPointData().SetScalars(numbers)
    return surface


def _show_in_slices(model: Any, colors: Any) -> None:
    """Lines in the slice views only: surfaces in 3-D would hide each other."""
    model.CreateDefaultDisplayNodes()
    display = model.GetDisplayNode()
    display.SetVisibility2D(True)
    display.SetVisibility3D(False)
    display.SetSliceIntersectionThickness(LINE_WIDTH)
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetActiveScalar("isolevels", vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(0, colors.GetNumberOfColors() - 1)
    display.SetScalarVisibility(True)
