"""A finished prediction in the scene: where it stands, how it is shown, what it says, and how it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from slicerhost import slicerrt

from DosePredictLib.core import InputError


@pytest.fixture
def chosen(patient):
    from DosePredictSlicer.patient import Patient

    return Patient(patient.ct, patient.structures, patient.planned)


@pytest.fixture
def result(chosen, finished):
    from DosePredictSlicer.result_import import import_result

    return import_result(finished, chosen)


def hierarchy():
    return slicer.mrmlScene.GetSubjectHierarchyNode()


def study_of(node) -> int:
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    return hierarchy().GetItemAncestorAtLevel(hierarchy().GetItemByDataNode(node), level)


def test_the_dose_is_what_the_worker_wrote_where_it_wrote_it(result, finished):
    from DosePredictSlicer.scene_volumes import volume_of

    from DosePredictLib.io.scene_case import read_volumes

    for role, written in read_volumes(finished / "volumes.npz").items():
        shown = volume_of(result.node(role))
        assert np.array_equal(shown.array, written.array)
        assert shown.grid.matches(written.grid, tolerance_mm=1e-6)


def test_it_stands_under_the_study_of_its_ct_marked_as_slicerrt_marks_a_dose(result, patient):
    dose = result.node("predicted")
    assert study_of(dose) == study_of(patient.ct) != 0
    assert dose.GetAttribute("DicomRtImport.DoseVolume") == "1"
    assert hierarchy().GetItemAttribute(study_of(dose), "DicomRtImport.DoseUnitName") == "GY"
    assert hierarchy().GetItemAttribute(study_of(dose), "DicomRtImport.DoseUnitValue") == "1.0"


def test_a_unit_the_study_has_already_is_left_alone(patient, chosen, finished):
    from DosePredictSlicer.result_import import import_result

    hierarchy().SetItemAttribute(study_of(patient.ct), "DicomRtImport.DoseUnitName", "CGY")
    import_result(finished, chosen)
    assert hierarchy().GetItemAttribute(study_of(patient.ct), "DicomRtImport.DoseUnitName") == "CGY"


def test_the_dose_says_what_it_is_and_what_made_it(result):
    dose = result.node("predicted")
    assert "NOT FOR TREATMENT" in dose.GetAttribute("DosePredict.Notice")
    assert dose.GetAttribute("DosePredict.Model.id") == "dosediff"
    assert len(dose.GetAttribute("DosePredict.Model.weights_sha256")) == 64
    assert dose.GetAttribute("DosePredict.Request.samples") == "2"
    assert "PTV70 70 Gy" in dose.GetAttribute("DosePredict.Prescription")


def test_no_node_carries_the_name_or_id_of_the_patient(result):
    for node in result.nodes:
        values = [node.GetName(), *(str(node.GetAttribute(name)) for name in node.GetAttributeNames())]
        assert not any("Phantom" in value or "PHANTOM" in value for value in values)


def test_colours_and_threshold_follow_the_prescription(result):
    display = result.node("predicted").GetDisplayNode()
    assert display.GetWindowLevelMax() == pytest.approx(77)
    assert display.GetLowerThreshold() == pytest.approx(7)
    assert display.GetApplyThreshold()
    change = result.node("difference").GetDisplayNode()
    assert change.GetWindowLevelMin() == -change.GetWindowLevelMax()


def test_the_window_of_the_ct_and_the_layout_stay_as_the_user_has_them(patient, chosen, finished):
    from DosePredictSlicer import dose_display
    from DosePredictSlicer.result_import import import_result

    display = patient.ct.GetDisplayNode()
    display.SetWindowLevel(123, 45)
    layout = slicer.app.layoutManager().layout
    dose_display.show_wash(import_result(finished, chosen).node("predicted"))
    assert (display.GetWindow(), display.GetLevel()) == (123, 45)
    assert slicer.app.layoutManager().layout == layout


def test_isodose_lines_are_at_the_percent_of_the_prescription(result):
    from DosePredictSlicer import dose_display
    from DosePredictSlicer.scene_volumes import volume_of

    from DosePredictLib.io.nrrd import to_image

    model = dose_display.isodose_lines(result, True)
    points = slicer.util.arrayFromModelPoints(model) * (-1, -1, 1)
    level = slicer.util.arrayFromModelPointData(model, "isolevels")
    names = [model.GetDisplayNode().GetColorNode().GetColorName(number) for number in range(9)]
    assert [float(name) for name in names] == pytest.approx([21, 35, 49, 56, 63, 66.5, 70, 73.5, 74.9])
    dose = volume_of(result.node("predicted"))
    image, some = to_image(dose), np.arange(0, len(points), len(points) // 200)
    there = [image.EvaluateAtContinuousIndex(index.tolist()) for index in dose.grid.to_index(points[some])]
    assert there == pytest.approx([float(names[int(number)]) for number in level[some]], abs=0.05)


def test_the_tables_have_the_numbers_of_the_report(result):
    table = result.node("metrics").GetTable()
    rows = {table.GetValue(row, 0).ToString(): row for row in range(table.GetNumberOfRows())}
    mean = next(row["predicted"]["dmean_gy"] for row in result.report["structures"] if row["roi"] == "PTV70")
    assert float(table.GetValueByName(rows["PTV70"], "Mean (Gy)").ToString()) == pytest.approx(mean, abs=0.051)
    assert result.node("goals").GetNumberOfRows() == len(result.report["goals"]) > 5


def test_the_chart_has_each_structure_planned_solid_and_predicted_dashed_in_its_colour(result, patient):
    chart = result.node("chart")
    series = [chart.GetNthPlotSeriesNode(number) for number in range(chart.GetNumberOfPlotSeriesNodes())]
    by_name = {node.GetYColumnName(): node for node in series}
    planned, predicted = by_name["PTV70 planned (%)"], by_name["PTV70 predicted (%)"]
    assert planned.GetLineStyle() == planned.LineStyleSolid
    assert predicted.GetLineStyle() == predicted.LineStyleDash
    segmentation = patient.structures.GetSegmentation()
    color = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("PTV70")).GetColor()
    assert planned.GetColor() == predicted.GetColor() == pytest.approx(color)


def test_removing_it_leaves_the_scene_as_it_was(patient, chosen, finished):
    from DosePredictSlicer import dose_display, dvh_review
    from DosePredictSlicer.result_import import import_result

    def content() -> set[str]:
        scene = slicer.mrmlScene
        return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}

    dvh_review.show_chart(import_result(finished, chosen))  # makes the plot view
    for result in {node.GetAttribute("DosePredict.Run") for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")} - {
        None
    }:
        from DosePredictSlicer.result import Result

        Result(result).remove()
    before, items = content(), hierarchy().GetNumberOfItems()
    result = import_result(finished, chosen)
    dose_display.isodose_lines(result, True)
    assert content() > before
    result.remove()
    assert content() == before
    assert hierarchy().GetNumberOfItems() == items


def test_a_damaged_output_brings_nothing_into_the_scene(chosen, finished, tmp_path):
    import shutil

    from DosePredictSlicer.result_import import import_result

    shutil.copytree(finished, tmp_path / "output")
    (tmp_path / "output" / "volumes.npz").write_bytes(b"damaged")
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match="damaged"):
        import_result(tmp_path / "output", chosen)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_export_writes_an_rtdose_without_faults_that_lies_where_the_scene_shows_it(result, patient_folder, tmp_path):
    from DosePredictSlicer.exporter import Exporter
    from DosePredictSlicer.scene_volumes import dose_of

    from DosePredictLib.io.rtdose import read_rtdose

    exporter = Exporter(result)
    assert "NOT FOR TREATMENT" in exporter.announce()
    dose_file, plan_file = exporter.to_folder(tmp_path)
    written, shown = read_rtdose(dose_file).dose, dose_of(result.node("predicted"))
    assert np.allclose(written.gray, shown.gray, atol=1e-6)
    assert written.grid.matches(shown.grid)
    assert plan_file.name.startswith("RP.")


def test_export_refers_to_the_patients_own_plan_where_that_is_wished(result, tmp_path):
    import pydicom
    from DosePredictSlicer.dicom_behind import plan_behind
    from DosePredictSlicer.exporter import Exporter

    (file,) = Exporter(result, "plan").to_folder(tmp_path)
    plan = pydicom.dcmread(plan_behind(result.source("DosePredict.Structures")))
    assert pydicom.dcmread(file).ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID


def test_without_dicom_behind_the_ct_export_says_so(result, patient):
    from DosePredictSlicer.exporter import Exporter

    patient.ct.RemoveAttribute("DosePredict.Files")
    with pytest.raises(InputError, match="no DICOM files"):
        Exporter(result).announce()


def test_a_saved_scene_brings_everything_back(result, patient, tmp_path: Path):
    from DosePredictSlicer.exporter import Exporter
    from DosePredictSlicer.result import Result

    voxels = slicer.util.arrayFromVolume(result.node("predicted")).copy()
    report = result.report
    file = tmp_path / "Lékař 日本.mrb"
    assert slicer.util.saveScene(str(file))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(file))
    again = Result(result.run)
    assert np.allclose(slicer.util.arrayFromVolume(again.node("predicted")), voxels)
    assert again.report == report
    assert again.source("DosePredict.CT").GetName() == "CT"
    assert again.node("chart").GetNumberOfPlotSeriesNodes() > 10
    assert Exporter(again).to_folder(tmp_path)


def test_slicerrt_draws_the_chart_where_it_is_installed(chosen, finished):
    from DosePredictSlicer import slicer_rt_dvh
    from DosePredictSlicer.result_import import import_result

    with slicerrt.installed():
        result = import_result(finished, chosen)
        chart = slicer_rt_dvh.chart_of(result)
        assert chart.GetNumberOfPlotSeriesNodes() == 22  # eleven structures, two doses
        result.remove()
    assert not slicer_rt_dvh.is_installed()


def test_slicerrt_does_not_give_up_over_a_structure_outside_the_dose(chosen, finished, patient):
    from DosePredictSlicer import slicer_rt_dvh
    from DosePredictSlicer.result_import import import_result
    from DosePredictSlicer.scene_structures import CONTOURS, polydata_of

    far = slicer.vtkSegment()
    far.SetName("far")
    far.AddRepresentation(CONTOURS, polydata_of((np.array([[900, 900, 0], [950, 900, 0], [900, 950, 0]], dtype=float),)))
    patient.structures.GetSegmentation().AddSegment(far)
    with slicerrt.installed():
        result = import_result(finished, chosen)
        assert slicer_rt_dvh.chart_of(result) is not None
        result.remove()


def test_the_self_test_of_the_module_predicts_on_the_synthetic_patient(module, worker):
    slicer.selfTests["DosePredict"]()
