"""The chart of histograms that SlicerRT's users know, where SlicerRT is installed; the numbers of the tables are not its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from .result import PLANNED, PREDICTED, STRUCTURES, Result
from .scene_structures import segments_of

CHART = "SlicerRT chart"
STEP_GY = 0.1  # SlicerRT's own is 0.2


def is_installed() -> bool:
    """Whether SlicerRT's histogram module is there."""
    return hasattr(slicer.modules, "dosevolumehistogram")


def chart_of(result: Result) -> Any:
    """A plot chart of SlicerRT with the planned (solid) and the predicted dose as its kind; None where SlicerRT refuses."""
    if result.node(CHART) is not None:
        return result.node(CHART)
    logic = slicer.modules.dosevolumehistogram.logic()
    logic.SetStepSize(STEP_GY)
    chart = result.adopt(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "DVH (SlicerRT)"), CHART)
    doses = [result.source(PLANNED), result.node(PREDICTED)]
    for dose in filter(None, doses):
        if not _add(logic, chart, result, dose):
            slicer.mrmlScene.RemoveNode(chart)
            return None
    return chart


def _add(logic: Any, chart: Any, result: Result, dose: Any) -> bool:
    """SlicerRT gives all structures up where one lies outside the dose or in one slice of it, or where a voxel is negative."""
    segmentation = result.source(STRUCTURES)
    inside = _segments_inside(segmentation, dose) if segmentation is not None else []
    if not inside or float(dose.GetImageData().GetScalarRange()[0]) < 0:
        return False
    parameters = result.adopt(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDoseVolumeHistogramNode"), "SlicerRT histogram")
    parameters.SetAndObserveDoseVolumeNode(dose)
    parameters.SetAndObserveSegmentationNode(segmentation)
    parameters.SetSelectedSegmentIDs(inside)
    if logic.ComputeDvh(parameters):
        return False
    metrics = result.adopt(parameters.GetMetricsTableNode(), "SlicerRT metrics")
    for segment in inside:
        table = metrics.GetNodeReference(parameters.AssembleDvhNodeReference(segment))
        if table is not None:
            result.adopt(table, "SlicerRT curve")
            series = result.adopt(logic.AddDvhToChart(chart, table), "SlicerRT series")
            if dose is result.node(PREDICTED):
                series.SetLineStyle(getattr(series, result.kind.curve))
    return True


def _segments_inside(segmentation: Any, dose: Any) -> list[str]:
    """IDs of the segments with an extent in the dose volume along each axis."""
    keys = (key for key, _segment in segments_of(segmentation))
    return [key for key in keys if _has_extent(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, key, dose))]


def _has_extent(mask: np.ndarray | None) -> bool:
    return mask is not None and bool(mask.any()) and all(np.ptp(axis) > 0 for axis in np.nonzero(mask))
