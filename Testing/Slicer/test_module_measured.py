"""Predicted measured doses in the scene: other inputs, other words and colours, never taken for a plan's dose."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
import slicer
from slicerhost import slicerrt

from DosePredictLib import registry
from DosePredictLib.core import InputError


@pytest.fixture
def chosen(patient):
    from DosePredictSlicer.patient import Patient

    return Patient(patient.ct, patient.structures, patient.planned)


@pytest.fixture
def measured(chosen, finished_measured):
    from DosePredictSlicer.result_import import import_result

    return import_result(finished_measured, chosen)


@pytest.fixture
def planned(chosen, finished):
    """A predicted plan dose of the same patient."""
    from DosePredictSlicer.result_import import import_result

    return import_result(finished, chosen)


@pytest.fixture
def findings(patient, untrained):
    """findings("tiny_measured", ct=None): sentences by level for a model of measured dose."""
    from DosePredictSlicer.checks import Level, check
    from DosePredictSlicer.patient import Patient

    def found(model="tiny_measured", **changes):
        nodes = {"ct": patient.ct, "structures": patient.structures, "planned": patient.planned, **changes}
        checks = check(Patient(**nodes), registry.find(model))
        return {level.value: "\n".join(entry.sentence for entry in checks if entry.level is level) for level in Level}

    return found


def color_of(node, share: float) -> tuple[float, ...]:
    table, color = node.GetDisplayNode().GetColorNode(), [0.0] * 4
    table.GetColor(round(share * (table.GetNumberOfColors() - 1)), color)
    return tuple(color[:3])


def test_a_plan_may_be_measured_without_ct_structures_and_prescription(findings):
    assert findings()["stop"] == findings(ct=None)["stop"] == findings(structures=None, ct=None)["stop"] == ""
    assert "simulated measurements" in findings()["doubt"]
    assert "Prescription" not in findings()["good"]
    assert "no dose-volume histograms" in findings(structures=None)["good"]


def test_mode_b_needs_the_ct(findings):
    assert "No CT is chosen, and this model looks at it" in findings("tiny_measured_b", ct=None)["stop"]
    assert findings("tiny_measured_b")["stop"] == ""


def test_without_a_planned_dose_nothing_is_measured(findings):
    assert findings(planned=None)["stop"].startswith("No planned dose is chosen")


@pytest.mark.parametrize(("factor", "sentence"), [(0, "zero everywhere"), (100, "probably in cGy")])
def test_a_planned_dose_that_cannot_be_one(findings, patient, factor, sentence):
    slicer.util.updateVolumeFromArray(patient.planned, slicer.util.arrayFromVolume(patient.planned) * factor)
    assert sentence in findings()["stop"]


def test_a_planned_dose_without_a_unit(findings, patient):
    patient.planned.RemoveAttribute("DicomRtImport.DoseVolume")
    assert "not marked as a dose in Gy" in findings()["stop"]


def test_a_dose_outside_the_ct(findings, patient):
    patient.planned.SetOrigin(5000, 0, 0)
    assert "lies outside the CT" in findings()["stop"]


def test_nothing_is_measured_of_a_predicted_dose(findings, planned, measured):
    assert "is itself a predicted dose" in findings(planned=planned.node("predicted"))["stop"]
    assert "is a predicted measured dose" in findings(planned=measured.node("predicted"))["stop"]


def test_nothing_is_measured_of_an_exported_prediction_that_was_loaded_again(findings, planned, patient, tmp_path: Path):
    from DosePredictSlicer.dicom_behind import remember_files
    from DosePredictSlicer.exporter import Exporter

    remember_files(patient.planned, Exporter(planned).to_folder(tmp_path)[:1])
    assert "is itself a predicted dose" in findings()["stop"]


def test_no_plan_is_compared_with_a_predicted_measured_dose(patient, measured):
    from DosePredictSlicer.checks import check, obstacles
    from DosePredictSlicer.patient import Patient

    mixed = Patient(patient.ct, patient.structures, measured.node("predicted"))
    assert "is a predicted measured dose" in obstacles(check(mixed, registry.find("dosediff")))[0]


def test_both_kinds_of_one_patient_differ_in_name_colour_and_notice(planned, measured):
    ours, other = measured.node("predicted"), planned.node("predicted")
    assert ours.GetName() == "Predicted measured dose (simulated training)"
    assert other.GetName() == "Predicted dose"
    assert ours.GetAttribute("DosePredict.Notice") == "PREDICTED MEASURED DOSE - NOT FOR TREATMENT"
    assert other.GetAttribute("DosePredict.Notice") == "PREDICTED DOSE - NOT FOR TREATMENT"
    for role, shares in (("predicted", (0.3, 0.6, 0.9)), ("difference", (0.1, 0.9))):
        for share in shares:
            pair = color_of(measured.node(role), share), color_of(planned.node(role), share)
            assert max(abs(a - b) for a, b in zip(*pair, strict=True)) > 0.2, (role, share)
    assert measured.node("difference").GetName() == "Predicted measured - planned dose"


def test_both_stand_under_the_study_in_folders_of_their_own_and_leave_alone(planned, measured):
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folders = [hierarchy.GetItemParent(hierarchy.GetItemByDataNode(one.node("predicted"))) for one in (planned, measured)]
    names = [hierarchy.GetItemName(folder) for folder in folders]
    assert names == ["Prediction (dosediff)", "Predicted measurement (tiny_measured)"]
    assert hierarchy.GetItemParent(folders[0]) == hierarchy.GetItemParent(folders[1])
    before = len(planned.nodes)
    measured.remove()
    assert measured.nodes == []
    assert len(planned.nodes) == before
    assert planned.node("predicted").GetDisplayNode().GetColorNode().GetName().startswith("Dose wash")


def test_percent_are_of_the_planned_maximum(measured, patient):
    highest = float(slicer.util.arrayFromVolume(patient.planned).max())
    display = measured.node("predicted").GetDisplayNode()
    assert display.GetWindowLevelMax() == pytest.approx(1.1 * highest, rel=1e-3)
    assert measured.node("difference").GetDisplayNode().GetWindowLevelMax() == pytest.approx(0.05 * highest, rel=1e-3)


def test_curves_are_planned_solid_and_measured_dotted(measured):
    chart = measured.node("chart")
    series = [chart.GetNthPlotSeriesNode(number) for number in range(chart.GetNumberOfPlotSeriesNodes())]
    assert len(series) == 22
    for node in series:
        dotted = "measured" in node.GetYColumnName()
        assert node.GetLineStyle() == (node.LineStyleDot if dotted else node.LineStyleSolid)
        assert max(node.GetColor()) > 0
    ptv = [node.GetColor() for node in series if node.GetYColumnName().startswith("PTV70 ")]
    assert ptv[0] == ptv[1]
    assert "measured dotted" in chart.GetTitle()


def test_slicerrt_draws_the_measured_dose_dotted_too(chosen, finished_measured):
    from DosePredictSlicer import slicer_rt_dvh
    from DosePredictSlicer.result_import import import_result

    with slicerrt.installed():
        result = import_result(finished_measured, chosen)
        chart = slicer_rt_dvh.chart_of(result)
        series = [chart.GetNthPlotSeriesNode(number) for number in range(chart.GetNumberOfPlotSeriesNodes())]
        styles = [node.GetLineStyle() for node in series]
        assert (styles.count(series[0].LineStyleSolid), styles.count(series[0].LineStyleDot)) == (11, 11)
        result.remove()


def test_agreement_is_shown_with_the_limits_of_tg_218_instead_of_goals(measured):
    table = measured.node("goals").GetTable()
    first = [table.GetValue(0, column).ToString() for column in range(4)]
    assert first == ["Gamma\xa03\xa0%/2\xa0mm (TG-218)", f"{measured.report['gamma']['percent_within_1']:.2f} %", "95 %", "90 %"]


def test_gamma_is_a_map_in_the_scene_that_shows_only_what_fails(measured):
    gamma = measured.node("gamma")
    assert gamma.GetName() == "Gamma of the planned dose"
    assert not (slicer.util.arrayFromVolume(gamma) != slicer.util.arrayFromVolume(gamma)).any()  # no NaN
    table, shown = gamma.GetDisplayNode().GetColorNode(), [0.0] * 4
    for share, visible in ((0.45, False), (0.55, True)):  # of a range from 0 to 2
        table.GetColor(round(share * 255), shown)
        assert bool(shown[3]) is visible


def test_the_panel_says_which_kind_is_shown(module, planned, measured):
    slicer.util.selectModule("DosePredict")
    widget = slicer.modules.DosePredictWidget
    widget.initializeParameterNode()
    panel, ui = widget.panel, widget.panel.ui
    for result, words, tab in ((planned, "Predicted dose", "Goals"), (measured, "Predicted measured dose", "Agreement")):
        ui.resultSelector.setCurrentNode(result.node("predicted"))
        panel.refresh()
        assert words in ui.kindLabel.text
        assert ui.tablesTab.tabText(0) == tab
    assert "simulated measurements" in ui.kindLabel.text
    assert "Gamma\xa03\xa0%/2\xa0mm" in ui.kindLabel.text
    assert "within tolerance" in ui.kindLabel.text
    entries = [ui.washComboBox.itemText(number) for number in range(ui.washComboBox.count)]
    assert entries == [
        "predicted measured dose", "planned dose", "predicted measured - planned", "gamma above 1", "uncertainty", "none",
    ]  # fmt: skip


def test_export_says_that_it_is_a_measured_dose_and_refers_to_the_planned_one(measured, planned, patient, tmp_path: Path):
    from DosePredictSlicer.dicom_behind import files_behind
    from DosePredictSlicer.exporter import Exporter

    assert "PREDICTED MEASURED DOSE - NOT FOR TREATMENT, in the study of the planned dose" in Exporter(measured).announce()
    written = pydicom.dcmread(Exporter(measured).to_folder(tmp_path)[0])
    plan_dose = pydicom.dcmread(files_behind(patient.planned)[0], stop_before_pixels=True)
    assert written.SeriesDescription == written.DoseComment == "PREDICTED MEASURED DOSE - NOT FOR TREATMENT"
    assert written.FrameOfReferenceUID == plan_dose.FrameOfReferenceUID
    assert "SIMULATED" in str(written)
    other = pydicom.dcmread(Exporter(planned).to_folder(tmp_path)[0])
    assert other.SeriesDescription == "PREDICTED DOSE - NOT FOR TREATMENT"
    assert other.SeriesNumber != written.SeriesNumber


def test_export_may_refer_to_the_plan_that_the_planned_dose_refers_to(measured, patient, tmp_path: Path):
    from DosePredictSlicer.dicom_behind import files_behind
    from DosePredictSlicer.exporter import Exporter

    patient.structures.RemoveAttribute("DosePredict.PlanFile")
    (written,) = Exporter(measured, "plan").to_folder(tmp_path)
    doses = [pydicom.dcmread(file, stop_before_pixels=True) for file in (written, files_behind(patient.planned)[0])]
    plans = {dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID for dose in doses}
    assert len(plans) == 1


def test_export_without_dicom_says_what_to_load(measured, patient):
    from DosePredictSlicer.exporter import Exporter

    patient.planned.RemoveAttribute("DosePredict.Files")
    assert Exporter(measured).announce()  # refers to the CT then
    patient.ct.RemoveAttribute("DosePredict.Files")
    with pytest.raises(InputError, match="The planned dose of this prediction has no DICOM files"):
        Exporter(measured).announce()


def test_the_logic_predicts_one_from_planned_dose_and_ct(patient, worker, untrained):
    from DosePredict import DosePredictLogic

    result = DosePredictLogic().predict(patient.ct, planned=patient.planned, model="tiny_measured_b")
    dose, planned = (slicer.util.arrayFromVolume(node) for node in (result.node("predicted"), patient.planned))
    assert dose.shape == planned.shape
    assert 0 < abs(dose - planned).max() < 0.1 * planned.max()
    assert result.report["dose_kind"] == "measured"


def test_a_saved_scene_knows_the_kind(measured, tmp_path: Path):
    from DosePredictSlicer.kinds import MEASURED
    from DosePredictSlicer.result import Result

    file = tmp_path / "scene.mrb"
    slicer.util.saveScene(str(file))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(file))
    again = Result(measured.run)
    assert again.kind is MEASURED
    assert again.node("predicted").GetDisplayNode().GetColorNode().GetName().startswith("Measured dose wash")
