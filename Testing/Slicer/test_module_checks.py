"""Bad input ends in one sentence before anything runs, and the scene stays usable."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from DosePredictLib import registry


@pytest.fixture
def findings(patient):
    """findings(**changes): sentences by level, of the synthetic patient with other nodes or wishes."""
    from DosePredictSlicer.checks import Level, check
    from DosePredictSlicer.patient import Patient

    def found(**changes):
        chosen = {"ct": patient.ct, "structures": patient.structures, "planned": patient.planned, **changes}
        checks = check(Patient(**chosen), registry.find("dosediff"), outside_domain=True)
        return {level: [entry.sentence for entry in checks if entry.level is level] for level in Level}

    return found


def stops(found) -> list[str]:
    from DosePredictSlicer.checks import Level

    return found[Level.STOP]


def doubts(found) -> str:
    from DosePredictSlicer.checks import Level

    return "\n".join(found[Level.DOUBT])


def test_a_good_patient_has_nothing_to_stop_for(findings):
    assert stops(findings()) == []


def test_without_a_ct(findings):
    assert "No CT is chosen; load the planning CT and choose it." in stops(findings(ct=None))


def test_without_structures(findings):
    assert "No structures are chosen; load the structure set of this CT and choose it." in stops(findings(structures=None))


def test_a_segmentation_without_segments(findings):
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "nothing")
    assert any("The segmentation nothing has no segments" in text for text in stops(findings(structures=empty)))


def test_the_structures_of_another_patient(findings, patient_folder):
    from DosePredictSlicer.folder_loader import load_folder

    other = load_folder([patient_folder])
    assert any("belong to different patients" in text for text in stops(findings(structures=other.structures)))


def test_structures_that_lie_elsewhere(findings, patient):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 2000)
    transform.SetMatrixTransformToParent(matrix)
    patient.structures.SetAndObserveTransformNodeID(transform.GetID())
    assert any("lies outside the CT" in text for text in stops(findings()))


def test_a_target_without_contours(findings, patient):
    from DosePredictSlicer.scene_structures import CONTOURS, polydata_of, segments_of

    for _key, segment in segments_of(patient.structures):
        if segment.GetName().startswith("PTV"):
            segment.AddRepresentation(CONTOURS, polydata_of(()))
    assert any("has no contours" in text or "No target" in text for text in stops(findings()))


def test_a_dose_without_a_unit(findings, patient):
    patient.planned.RemoveAttribute("DicomRtImport.DoseVolume")
    assert any("is not marked as a dose in Gy" in text for text in stops(findings()))


def test_a_planned_dose_in_centigray_is_doubted(findings, patient):
    slicer.util.updateVolumeFromArray(patient.planned, slicer.util.arrayFromVolume(patient.planned) * 100)
    assert "The maximum of the planned dose is" in doubts(findings())


def test_a_ct_that_is_no_ct_is_doubted(findings, patient):
    slicer.util.updateVolumeFromArray(patient.ct, np.abs(slicer.util.arrayFromVolume(patient.ct)))
    assert "do not look like HU" in doubts(findings())


def test_a_ct_under_a_non_linear_transform(findings, patient):
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    warp.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    patient.ct.SetAndObserveTransformNodeID(warp.GetID())
    assert any("not linear" in text for text in stops(findings()))


def test_a_colour_picture_instead_of_a_ct(findings):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    slicer.util.updateVolumeFromArray(node, np.zeros((4, 4, 4, 3), np.uint8))
    assert any("several values in each voxel" in text for text in stops(findings(ct=node)))


def test_a_prescription_in_centigray(findings):
    assert any("not one fraction or cGy" in text for text in stops(findings(prescription={"PTV70": 7000})))


def test_left_and_right_exchanged_are_doubted(findings):
    assert "exchanged" in doubts(findings(names={"Parotid_L": "Parotid_R", "Parotid_R": "Parotid_L"}))


def test_an_organ_of_unseen_size_is_doubted(findings):
    assert "Esophagus had 2.2 to 40.9 cc" in doubts(findings(names={"Esophagus": "External", "External": ""}))


def test_a_ct_without_dicom_is_only_doubted(findings, patient):
    patient.ct.RemoveAttribute("DosePredict.Files")
    found = findings()
    assert stops(found) == []
    assert "not exported as RTDOSE" in doubts(found)


def test_painted_structures_are_said_to_be_painted(findings, patient):
    segmentation = patient.structures.GetSegmentation()
    segmentation.SetSourceRepresentationName("Binary labelmap")
    segmentation.RemoveRepresentation("Planar contour")
    found = findings()
    assert stops(found) == []
    assert "Without contours" in doubts(found)
