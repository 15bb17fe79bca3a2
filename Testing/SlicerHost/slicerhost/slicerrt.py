"""A double of the parts of SlicerRT that the module calls: dose-volume histograms, isodoses, plans.

SlicerRT's C++ is not in slicer-core. The double has its names, node references and attributes, and fails as it does: one
structure that cannot be computed ends all, with a sentence as the result. It is written from SlicerRT's interface, not its code.

    with slicerrt.installed():
        ...                     # slicer.modules.dosevolumehistogram and vtkMRMLRTPlanNode exist here
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import slicer
import slicer.util

IS_DOSE = "DicomRtImport.DoseVolume"
UNIT = "DicomRtImport.DoseUnitName"
START, STEP = 0.1, 0.2  # Gy, SlicerRT's defaults
LINE_STYLES = 5


class _Node(slicer.vtkMRMLScriptedModuleNode):
    """A node of a class that slicer-core does not have; Python answers with the class's name."""

    def GetClassName(self) -> str:
        return type(self).__name__

    def IsA(self, name: str) -> bool:
        return name == type(self).__name__ or super().IsA(name)

    def _reference(self, role: str, node: Any) -> None:
        self.SetNodeReferenceID(role, node.GetID() if node else None)


class vtkMRMLDoseVolumeHistogramNode(_Node):
    """What a histogram is computed of."""

    _segments: tuple[str, ...] = ()

    def SetAndObserveDoseVolumeNode(self, node: Any) -> None:
        self._reference("doseVolumeRef", node)

    def GetDoseVolumeNode(self) -> Any:
        return self.GetNodeReference("doseVolumeRef")

    def SetAndObserveSegmentationNode(self, node: Any) -> None:
        self._reference("segmentationRef", node)

    def GetSegmentationNode(self) -> Any:
        return self.GetNodeReference("segmentationRef")

    def SetSelectedSegmentIDs(self, identifiers: Any) -> None:
        self._segments = tuple(identifiers)

    def GetSelectedSegmentIDs(self) -> tuple[str, ...]:
        return self._segments

    def SetAutomaticOversampling(self, automatic: bool) -> None: ...

    def SetUseFractionalLabelmap(self, fractional: bool) -> None: ...

    def GetMetricsTableNode(self) -> Any:
        return self._made("dvhMetricsTableRef", "vtkMRMLTableNode", "DVH metrics")

    def GetChartNode(self) -> Any:
        return self._made("chartRef", "vtkMRMLPlotChartNode", "DVH chart")

    def _made(self, role: str, cls: str, name: str) -> Any:
        if self.GetNodeReference(role) is None:
            self._reference(role, slicer.mrmlScene.AddNewNodeByClass(cls, name))
        return self.GetNodeReference(role)

    def AssembleDvhNodeReference(self, segment: str) -> str:
        return f"dvhRef{self.GetDoseVolumeNode().GetID()}_{self.GetSegmentationNode().GetID()}_{segment}"


class vtkMRMLRTPlanNode(_Node):
    """A plan as SlicerRT loads it."""

    _prescription_gy = 1.0
    _target = ""

    def SetAndObserveReferenceVolumeNode(self, node: Any) -> None:
        self._reference("referenceVolumeRef", node)

    def GetReferenceVolumeNode(self) -> Any:
        return self.GetNodeReference("referenceVolumeRef")

    def SetAndObserveSegmentationNode(self, node: Any) -> None:
        self._reference("segmentationRef", node)

    def GetSegmentationNode(self) -> Any:
        return self.GetNodeReference("segmentationRef")

    def SetAndObserveOutputTotalDoseVolumeNode(self, node: Any) -> None:
        self._reference("outputTotalDoseVolumeRef", node)

    def GetOutputTotalDoseVolumeNode(self) -> Any:
        return self.GetNodeReference("outputTotalDoseVolumeRef")

    def SetRxDose(self, dose_gy: float) -> None:
        self._prescription_gy = dose_gy

    def GetRxDose(self) -> float:
        return self._prescription_gy

    def SetTargetSegmentID(self, identifier: str) -> None:
        self._target = identifier

    def GetTargetSegmentID(self) -> str:
        return self._target


class DoseVolumeHistogramLogic:
    """slicer.modules.dosevolumehistogram.logic()."""

    _start, _step = START, STEP

    def SetStartValue(self, value: float) -> None:
        self._start = value

    def SetStepSize(self, value: float) -> None:
        self._step = value

    def ComputeDvh(self, parameters: Any) -> str:
        """Fills one table a structure. Returns what went wrong; the structures after that are missing."""
        dose, segmentation = parameters.GetDoseVolumeNode(), parameters.GetSegmentationNode()
        if dose is None or segmentation is None:
            return "Both segmentation node and dose volume node need to be set"
        if dose.GetImageData() is None:
            return "Failed to get image data from dose volume"
        identifiers = parameters.GetSelectedSegmentIDs() or segmentation.GetSegmentation().GetSegmentIDs()
        return next(filter(None, (self._compute(parameters, dose, segmentation, one) for one in identifiers)), "")

    def _compute(self, parameters: Any, dose: Any, segmentation: Any, identifier: str) -> str:
        inside = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, dose)
        extent = [np.ptp(axis) for axis in np.nonzero(inside)] if inside is not None and inside.any() else []
        if inside is not None and not extent:
            return "Dose volume and the structure do not overlap"
        if min(extent, default=0) < 1:  # a structure of one slice or row
            return "Invalid stenciled dose volume"
        values = slicer.util.arrayFromVolume(dose)[inside > 0]
        if dose.GetAttribute(IS_DOSE) and values.min() < 0:
            return "The dose volume contains negative dose values"
        self._write(parameters, identifier, values)
        return ""

    def _write(self, parameters: Any, identifier: str, values: np.ndarray) -> None:
        dose, segmentation = parameters.GetDoseVolumeNode(), parameters.GetSegmentationNode()
        metrics, reference = parameters.GetMetricsTableNode(), parameters.AssembleDvhNodeReference(identifier)
        table = metrics.GetNodeReference(reference)
        if table is None:
            table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{identifier}_DVH")
            metrics.SetNodeReferenceID(reference, table.GetID())
            table.SetNodeReferenceID("doseVolumeRef", dose.GetID())
            table.SetNodeReferenceID("segmentationRef", segmentation.GetID())
        table.SetAttribute("DoseVolumeHistogram.DVH", "1")
        table.SetAttribute("DoseVolumeHistogram.SegmentID", identifier)
        doses = np.concatenate([[0.0], np.arange(self._start, values.max() + self._step, self._step)])
        volumes = 100 * (1 - np.searchsorted(np.sort(values), doses) / values.size)
        slicer.util.updateTableFromArray(
            table, (doses, volumes), ["Dose" if dose.GetAttribute(IS_DOSE) else "Intensity", "Volume"]
        )

    def AddDvhToChart(self, chart: Any, table: Any) -> Any:
        """The series of a DVH table, added to the chart and shown; the layout changes to one with a plot."""
        dose, segmentation = table.GetNodeReference("doseVolumeRef"), table.GetNodeReference("segmentationRef")
        identifier = table.GetAttribute("DoseVolumeHistogram.SegmentID")
        segment = segmentation.GetSegmentation().GetSegment(identifier)
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", segment.GetName())
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("Dose" if dose.GetAttribute(IS_DOSE) else "Intensity")
        series.SetYColumnName("Volume")
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(series.LineStyleSolid + self._earlier(table, segmentation, identifier) % LINE_STYLES)
        series.SetColor(*segment.GetColor())
        chart.SetTitle("Dose Volume Histogram")
        chart.SetXAxisTitle(f"Dose [{_unit(dose) or '?'}]" if dose.GetAttribute(IS_DOSE) else "Intensity")
        chart.SetYAxisTitle("Fractional volume [%]")
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        return series

    @staticmethod
    def _earlier(table: Any, segmentation: Any, identifier: str) -> int:
        """How many tables before this one show the same structure."""
        tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
        return sum(
            one.GetAttribute("DoseVolumeHistogram.SegmentID") == identifier
            and one.GetNodeReference("segmentationRef") is segmentation
            for one in tables[: tables.index(table)]
        )


def _unit(dose: Any) -> str:
    """The dose unit's name on the study above the dose; "" where there is no study or no unit."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    return hierarchy.GetAttributeFromItemAncestor(hierarchy.GetItemByDataNode(dose), UNIT, study)


class IsodoseLogic:
    """slicer.modules.isodose.logic()."""

    def CreateDefaultDoseColorTable(self, scene: Any) -> Any:
        table = scene.GetFirstNodeByName("Dose_ColorTable")
        if table is None:
            table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "Dose_ColorTable")
            table.SetTypeToUser()
            table.SetNumberOfColors(256)
            for index in range(256):
                table.SetColor(index, str(index), index / 255, 0.5, 1 - index / 255)
        return table


MODULES = {"DoseVolumeHistogram": DoseVolumeHistogramLogic, "Isodose": IsodoseLogic, "DicomRtImportExport": object}
NODES = (vtkMRMLDoseVolumeHistogramNode, vtkMRMLRTPlanNode)


def _creates_its_nodes(scene: Any) -> None:
    """The scene's factory is C++: its Python methods are overlaid on this one scene."""
    classes = {cls.__name__: cls for cls in NODES}
    create, by_class = type(scene).AddNewNodeByClass, type(scene).GetNodesByClass

    def add_new_node(name: str, *given: Any) -> Any:
        if name not in classes:
            return create(scene, name, *given)
        node = classes[name]()
        node.SetName(
            scene.GenerateUniqueName(given[0] if given and given[0] else name.removeprefix("vtkMRML").removesuffix("Node"))
        )
        node.SetHideFromEditors(False)
        return scene.AddNode(node)

    def nodes_by_class(name: str) -> Any:
        found = by_class(scene, "vtkMRMLScriptedModuleNode" if name in classes else name)
        for node in [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())] if name in classes else ():
            if not node.IsA(name):
                found.RemoveItem(node)
        return found

    scene.AddNewNodeByClass, scene.GetNodesByClass = add_new_node, nodes_by_class


@contextmanager
def installed() -> Iterator[None]:
    """SlicerRT is there while this is entered, and not after."""
    from .application import Module

    manager = slicer.app.moduleManager()
    for name, logic in MODULES.items():
        manager.add(Module(name, logic()))
    for cls in NODES:
        setattr(slicer, cls.__name__, cls)
    _creates_its_nodes(slicer.mrmlScene)
    try:
        yield
    finally:
        del slicer.mrmlScene.AddNewNodeByClass, slicer.mrmlScene.GetNodesByClass
        for cls in NODES:
            delattr(slicer, cls.__name__)
        for name in MODULES:
            manager.remove(name)
