"""The double of SlicerRT counts right and fails as SlicerRT does."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import slicer.util
from slicerhost import slicerrt


@pytest.fixture
def rt(application) -> Iterator[object]:
    """A dose that rises 1 Gy a column, a structure in columns 10 to 19, and the parameters of its histogram."""
    with slicerrt.installed():
        ramp = np.broadcast_to(np.arange(40, dtype=np.float32), (20, 40, 40)).copy()
        dose = slicer.util.addVolumeFromArray(ramp, name="dose")
        dose.SetAttribute("DicomRtImport.DoseVolume", "1")
        structures = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "structures")
        structures.CreateDefaultDisplayNodes()
        structures.SetReferenceImageGeometryParameterFromVolumeNode(dose)
        add(structures, dose, "PTV", np.s_[5:15, 10:20, 10:20])
        parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDoseVolumeHistogramNode")
        parameters.SetAndObserveDoseVolumeNode(dose)
        parameters.SetAndObserveSegmentationNode(structures)
        logic = slicer.modules.dosevolumehistogram.logic()
        yield SimpleNamespace(dose=dose, structures=structures, parameters=parameters, logic=logic)


def add(structures: object, dose: object, name: str, where: object) -> None:
    mask = np.zeros((20, 40, 40), np.uint8)
    mask[where] = 1
    structures.GetSegmentation().AddEmptySegment(name, name, (1.0, 0.0, 0.0))
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, structures, name, dose)


def table(rt: object, name: str) -> object:
    return rt.parameters.GetMetricsTableNode().GetNodeReference(rt.parameters.AssembleDvhNodeReference(name))


def test_the_histogram_of_a_ramp_falls_by_a_tenth_a_gray(rt):
    rt.logic.SetStepSize(0.1)
    assert rt.logic.ComputeDvh(rt.parameters) == ""
    doses = slicer.util.arrayFromTableColumn(table(rt, "PTV"), "Dose")
    volumes = slicer.util.arrayFromTableColumn(table(rt, "PTV"), "Volume")
    assert np.interp([0, 9.5, 10.5, 14.5, 19.5], doses, volumes) == pytest.approx([100, 100, 90, 50, 0])


def test_one_negative_voxel_ends_the_computation(rt):
    slicer.util.arrayFromVolume(rt.dose)[10, 15, 15] = -0.001
    assert "negative" in rt.logic.ComputeDvh(rt.parameters)
    assert table(rt, "PTV") is None


def test_a_structure_outside_the_dose_ends_the_computation_of_those_after_it(rt):
    add(rt.structures, rt.dose, "empty", np.s_[0:0, 0:0, 0:0])
    add(rt.structures, rt.dose, "later", np.s_[5:15, 20:30, 20:30])
    assert rt.logic.ComputeDvh(rt.parameters) != ""
    assert table(rt, "PTV") is not None and table(rt, "later") is None


def test_without_a_study_the_unit_on_the_chart_is_unknown_and_with_one_it_is_the_study_s(rt):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    rt.logic.ComputeDvh(rt.parameters)
    rt.logic.AddDvhToChart(rt.parameters.GetChartNode(), table(rt, "PTV"))
    assert rt.parameters.GetChartNode().GetXAxisTitle() == "Dose [?]"
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemAttribute(study, "DicomRtImport.DoseUnitName", "GY")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(rt.dose), study)
    rt.logic.AddDvhToChart(rt.parameters.GetChartNode(), table(rt, "PTV"))
    assert rt.parameters.GetChartNode().GetXAxisTitle() == "Dose [GY]"


def test_the_second_dose_of_a_structure_is_dashed(rt):
    other = slicer.util.addVolumeFromArray(np.ones((20, 40, 40), np.float32), name="predicted")
    other.SetAttribute("DicomRtImport.DoseVolume", "1")
    rt.logic.ComputeDvh(rt.parameters)
    first = rt.logic.AddDvhToChart(rt.parameters.GetChartNode(), table(rt, "PTV"))
    rt.parameters.SetAndObserveDoseVolumeNode(other)
    rt.logic.ComputeDvh(rt.parameters)
    second = rt.logic.AddDvhToChart(rt.parameters.GetChartNode(), table(rt, "PTV"))
    assert (first.GetLineStyle(), second.GetLineStyle()) == (first.LineStyleSolid, first.LineStyleDash)


def test_a_plan_can_be_chosen_in_a_selector(rt):
    plan = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLRTPlanNode", "plan")
    plan.SetRxDose(70.0)
    plan.SetAndObserveSegmentationNode(rt.structures)
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLRTPlanNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    selector.setCurrentNode(plan)
    assert selector.nodeCount() == 1 and selector.currentNode().GetRxDose() == 70.0
    assert slicer.util.getNodesByClass("vtkMRMLRTPlanNode") == [plan]
    assert plan.GetSegmentationNode() is rt.structures


def test_without_slicerrt_there_is_no_trace_of_it(application):
    assert not hasattr(slicer.modules, "dosevolumehistogram") and not hasattr(slicer, "vtkMRMLRTPlanNode")
    assert slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDoseVolumeHistogramNode") is None
