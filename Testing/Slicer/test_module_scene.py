"""What is in the scene reaches the library as it is, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from DosePredictLib.core import GeometryError, Grid, InputError, Volume

TILTED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def volume() -> Volume:
    """Numbers that tell each voxel from every other, on a grid that is turned, shifted and of three different spacings."""
    grid = Grid((4, 5, 6), (1.5, 2.5, 3.5), (-10.0, 20.0, 30.0), TILTED)
    return Volume(np.arange(120, dtype=np.float32).reshape(6, 5, 4), grid)


def test_a_volume_comes_back_from_the_scene_as_it_went_in(module, volume):
    from DosePredictSlicer.scene_volumes import add_volume, volume_of

    back = volume_of(add_volume(volume, "test"))
    assert back.grid.matches(volume.grid, tolerance_mm=1e-9)
    assert np.array_equal(back.array, volume.array)


def test_slicer_sees_a_voxel_where_the_library_says_it_is(module, volume):
    from DosePredictSlicer.scene_volumes import add_volume

    node, position = add_volume(volume, "test"), [0.0, 0.0, 0.0, 1.0]
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix.MultiplyPoint((3, 4, 5, 1), position)
    x, y, z = volume.grid.to_world(np.array((3, 4, 5)))
    assert position[:3] == pytest.approx((-x, -y, z))


def test_a_volume_with_left_handed_axes_is_turned_not_refused(module, volume):
    from DosePredictSlicer.scene_volumes import add_volume, volume_of

    node = add_volume(volume, "test")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    last = np.array([matrix.GetElement(row, 3) + 5 * matrix.GetElement(row, 2) for row in range(3)])
    for row in range(3):
        matrix.SetElement(row, 3, last[row])
        matrix.SetElement(row, 2, -matrix.GetElement(row, 2))
    node.SetIJKToRASMatrix(matrix)
    slicer.util.updateVolumeFromArray(node, volume.array[::-1].copy())
    back = volume_of(node)
    assert back.grid.matches(volume.grid, tolerance_mm=1e-6)
    assert np.array_equal(back.array, volume.array)


def test_a_linear_transform_moves_a_volume(module, volume):
    from DosePredictSlicer.scene_volumes import add_volume, volume_of

    node, transform = add_volume(volume, "test"), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 7.0)  # towards the right in RAS: LPS x falls by 7 mm
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert volume_of(node).grid.origin == pytest.approx((-17.0, 20.0, 30.0))


def test_a_volume_under_a_non_linear_transform_is_refused_in_one_sentence(module, volume):
    from DosePredictSlicer.scene_volumes import add_volume, volume_of

    node = add_volume(volume, "CT")
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    warp.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    node.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match="CT is under the transform warp, which is not linear"):
        volume_of(node)


def test_contours_come_back_from_the_scene_to_the_bit(module):
    from DosePredictSlicer.scene_structures import contours_of, polydata_of
    from DosePredictSlicer.scene_volumes import RAS_LPS

    contours = tuple(np.random.default_rng(0).normal(size=(n, 3)) * 100 for n in (3, 17, 4))
    back = contours_of(polydata_of(contours), RAS_LPS)
    assert len(back) == 3
    assert all(np.array_equal(a, b) for a, b in zip(back, contours, strict=True))


def test_two_painted_segments_in_one_labelmap_are_told_apart(module, volume):
    from DosePredictSlicer.scene_structures import structures_of
    from DosePredictSlicer.scene_volumes import add_volume

    node = add_volume(volume, "CT")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
    masks = {"A": volume.array < 30, "B": volume.array >= 80}
    for name, mask in masks.items():
        segmentation.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, name, node)
    found = structures_of(segmentation, node)
    for name, mask in masks.items():
        occupancy = found[name].occupancy
        assert occupancy.array.sum() == mask.sum()
        k, j, i = np.argwhere(occupancy.array)[0]
        there = np.rint(volume.grid.to_index(occupancy.grid.to_world(np.array((i, j, k))))).astype(int)
        assert mask[there[2], there[1], there[0]]


def test_the_folder_loader_shows_the_model_what_the_command_line_shows_it(module, patient_folder):
    """CT, contours, names, prescription and planned dose: through the scene as straight from the files."""
    from DosePredictSlicer.folder_loader import load_folder
    from DosePredictSlicer.patient import Patient

    from DosePredictLib.io.case import load_case

    straight, loaded = load_case(patient_folder).case, load_folder([patient_folder])
    case = Patient(loaded.ct, loaded.structures, loaded.planned).case
    assert case.ct.grid.matches(straight.ct.grid, tolerance_mm=1e-6)
    assert np.array_equal(case.ct.array, straight.ct.array)
    assert case.names == straight.names
    assert case.prescription == straight.prescription
    assert np.array_equal(case.reference.gray, straight.reference.gray)
    for ours, theirs in zip(case.structures, straight.structures, strict=True):
        assert (ours.name, ours.number, ours.interpreted_type) == (theirs.name, theirs.number, theirs.interpreted_type)
        assert all(np.array_equal(a, b) for a, b in zip(ours.contours, theirs.contours, strict=True))


def test_labelmaps_of_loaded_structures_lie_where_the_contours_are(module, patient_folder):
    from DosePredictSlicer.folder_loader import load_folder
    from DosePredictSlicer.patient import Patient

    loaded = load_folder([patient_folder])
    exact = Patient(loaded.ct, loaded.structures).occupancies["Parotid_L"]
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(
        loaded.structures, loaded.structures.GetSegmentation().GetSegmentIdBySegmentName("Parotid_L"), loaded.ct
    )
    filled = np.argwhere(shown)[:, ::-1].mean(axis=0)
    meant = np.average(np.argwhere(exact.array > 0)[:, ::-1], axis=0, weights=exact.array[exact.array > 0])
    grid = Patient(loaded.ct, loaded.structures).volume.grid
    assert grid.to_world(filled) == pytest.approx(exact.grid.to_world(meant), abs=1.0)


def test_a_folder_without_a_patient_is_refused_in_one_sentence(module, tmp_path):
    from DosePredictSlicer.folder_loader import load_folder

    (tmp_path / "notes.txt").write_text("no DICOM")
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match="None of the 1 files found is DICOM"):
        load_folder([tmp_path])
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_sheared_axes_are_refused(module, volume):
    from DosePredictSlicer.scene_volumes import placed

    matrix = volume.grid.index_to_world.copy()
    matrix[:3, 0] += matrix[:3, 1]
    with pytest.raises(GeometryError, match="not perpendicular"):
        placed(volume.array, matrix)


def test_files_of_a_folder_with_letters_of_many_languages_are_remembered(module, patient_folder, tmp_path: Path):
    from DosePredictSlicer.dicom_behind import files_behind
    from DosePredictSlicer.folder_loader import load_folder

    folder = tmp_path / "Lékař 日本"
    folder.symlink_to(patient_folder)
    loaded = load_folder([folder])
    assert len(files_behind(loaded.ct)) == loaded.ct.GetImageData().GetDimensions()[2]
