"""The chart of histograms that SlicerRT's users know, where SlicerRT is installed; the numbers of the tables are not its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from DosePredictLib.core import Structure

from .result import PLANNED, PREDICTED, STRUCTURES, Result
from .scene_structures import segments_of, structures_of
from .scene_volumes import volume_of

CHART = "SlicerRT chart"
STEP_GY = 0.1  # SlicerRT's own is 0.2


def is_installed() -> bool:
    """Whether SlicerRT's histogram module is there."""
    return hasattr(slicer.modules, "dosevolumehistogram")


def chart_of(result: Result) -> Any:
    """A plot chart of SlicerRT with the planned (solid) and the predicted dose (dashed); None where SlicerRT refuses."""
    if result.node(CHART) is not None:
        return result.node(CHART)
    logic = slicer.modules.dosevolumehistogram.logic()
    logic.SetStepSize(STEP_GY)
    chart = result.adopt(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "DVH (SlicerRT)"), CHART)
    doses = [result.source(PLANNED), result.node(PREDICTED)]
    for dose in filter(None, doses):  # the second dose of the same segmentation is dashed
        if not _add(logic, chart, result, dose):
            slicer.mrmlScene.RemoveNode(chart)
            return None
    return chart


def _add(logic: Any, chart: Any, result: Result, dose: Any) -> bool:
    """SlicerRT gives all structures up where one lies outside the dose, or a voxel is negative: neither is given to it."""
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
            result.adopt(logic.AddDvhToChart(chart, table), "SlicerRT series")
    return True


def _segments_inside(segmentation: Any, dose: Any) -> list[str]:
    """IDs of the segments of which some part lies in the dose volume."""
    grid = volume_of(dose).grid
    pairs = zip(segments_of(segmentation), structures_of(segmentation, dose), strict=True)
    return [key for (key, _segment), structure in pairs if bool(np.any(grid.contains(_points(structure))))]


def _points(structure: Structure) -> np.ndarray:
    """(n, 3) LPS mm in the structure; none for an empty one."""
    if structure.occupancy is not None:
        return structure.occupancy.grid.to_world(np.argwhere(structure.occupancy.array >= 0.5)[:, ::-1])
    return np.concatenate([np.empty((0, 3)), *structure.contours])
