"""CT, structures and planned dose of a folder into the scene with the library's own reader: for Slicer without SlicerRT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from DosePredictLib.core import DoseGrid, DosePredictError, Grid, InputError, Structure, StructureSet, Volume

from .dicom_behind import remember_files, remember_plan
from .scene_structures import CONTOURS, LABELMAP, ROI_NUMBER, ROI_TYPE, polydata_of
from .scene_volumes import RAS_LPS, add_volume, matrix_of
from .subject_hierarchy import mark_as_dose

OUTLINE = (0.75, 0.75, 0.75)
TARGETS = ((0.90, 0.10, 0.10), (0.95, 0.45, 0.10), (0.95, 0.75, 0.10), (0.85, 0.20, 0.45))
ORGANS = (
    (0.20, 0.70, 0.30), (0.15, 0.65, 0.85), (0.25, 0.35, 0.90), (0.60, 0.30, 0.85), (0.90, 0.45, 0.75), (0.55, 0.35, 0.20),
    (0.45, 0.75, 0.65), (0.70, 0.70, 0.35),
)  # fmt: skip
TARGET_TYPES = ("GTV", "CTV", "PTV")  # RTROIInterpretedType


@dataclass(frozen=True, eq=False)
class Loaded:
    """The nodes of one patient; a plan to be measured may lack CT and structures. warnings: what was not found, or not used."""

    ct: Any = None
    structures: Any = None
    planned: Any = None
    warnings: tuple[str, ...] = ()


def load_folder(paths: list[Path]) -> Loaded:
    """Search folders and files and load the one case found there, or at least its planned dose.

    Raises InputError with one sentence where there is neither.
    """
    from DosePredictLib.io.checks import check_frame
    from DosePredictLib.io.choose import choose, missing
    from DosePredictLib.io.ct import read_ct
    from DosePredictLib.io.rtstruct import read_rtstruct
    from DosePredictLib.io.scan import scan

    found = scan(paths)
    choice = choose(found)
    if sentence := missing(found, choice):
        if found.unreadable or not choice.dose:
            raise InputError(sentence)
        return _load_plan_to_measure(paths, choice, sentence)
    assert choice.rtstruct is not None  # else missing() had spoken
    struct = read_rtstruct(choice.rtstruct.path, frame_of_reference=choice.ct[0].frame_of_reference)
    check_frame(struct, choice.ct[0])
    volume = read_ct(choice.ct)
    ct = _add_ct(volume, [file.path for file in choice.ct])
    structures = _add_structures(struct.structures, volume.grid, choice.rtstruct.path)
    if choice.plan:
        remember_plan(structures, choice.plan.path)
    warnings = list(choice.warnings)
    planned = _attempt(lambda: _add_dose(choice, _highest_gy(choice, struct.structures)), warnings)
    _place(ct, structures, planned)
    return Loaded(ct, structures, planned, tuple(warnings))


def _load_plan_to_measure(paths: list[Path], choice: Any, missing: str) -> Loaded:
    """The planned dose, and of CT and structures what there is."""
    from DosePredictLib.io.qa_case import load_qa_case

    found = load_qa_case(paths)
    case, grid = found.case, (found.case.ct or found.case.planned).grid
    ct = _add_ct(case.ct, [file.path for file in choice.ct]) if case.ct else None
    structures = _add_structures(case.structures, grid, choice.rtstruct.path) if len(case.structures) else None
    planned = _dose_node(case.planned, choice.dose[:1])
    _place(ct, structures, planned)
    return Loaded(ct, structures, planned, (missing, *found.warnings))


def _add_ct(volume: Volume, files: list[Path]) -> Any:
    node = add_volume(Volume(volume.array.astype(np.int16), volume.grid), "CT")
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(400, 40)  # soft tissue
    remember_files(node, files)
    return node


def _add_structures(structures: StructureSet, grid: Grid, file: Path) -> Any:
    """Contours are the source; labelmaps beside them are what Slicer shows without SlicerRT."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(_("Structures")))
    node.CreateDefaultDisplayNodes()
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(CONTOURS)
    display = node.GetDisplayNode()
    colors = {"EXTERNAL": cycle([OUTLINE]), **dict.fromkeys(TARGET_TYPES, cycle(TARGETS))}
    organs = cycle(ORGANS)
    for structure in structures:
        kind = structure.interpreted_type
        segmentation.AddSegment(_segment(structure, grid, next(colors.get(kind, organs))))
        if kind == "EXTERNAL":  # would hide all others in the 3-D view
            display.SetSegmentVisibility3D(segmentation.GetNthSegmentID(segmentation.GetNumberOfSegments() - 1), False)
    display.SetPreferredDisplayRepresentationName2D(LABELMAP)
    display.SetAllSegmentsVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)
    remember_files(node, [file])
    return node


def _segment(structure: Structure, grid: Grid, color: tuple[float, float, float]) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(structure.name)
    segment.SetColor(*color)
    segment.SetTag(ROI_NUMBER, str(structure.number))
    segment.SetTag(ROI_TYPE, structure.interpreted_type)
    segment.AddRepresentation(CONTOURS, polydata_of(structure.contours))
    segment.AddRepresentation(LABELMAP, _labelmap(structure, grid))
    return segment


def _labelmap(structure: Structure, grid: Grid) -> Any:
    """Voxels at least half inside, cropped to the structure."""
    from DosePredictLib.preprocessing.contours import rasterise

    image = slicer.vtkOrientedImageData()
    try:
        raster = rasterise(structure, grid)
    except DosePredictError:  # drawn across the slices: shown nowhere, and refused by name when it is to be used
        return image
    if raster.is_empty:
        return image
    array = (raster.volume.array >= 0.5).astype(np.uint8)
    k, j, i = array.shape
    image.SetExtent(0, i - 1, 0, j - 1, 0, k - 1)
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR))
    image.SetImageToWorldMatrix(matrix_of(RAS_LPS @ raster.volume.grid.index_to_world))
    return image


def _highest_gy(choice: Any, structures: StructureSet) -> float:
    """The highest prescription; it tells a dose of the whole course from that of one fraction."""
    from DosePredictLib.io.rtplan import read_rtplan
    from DosePredictLib.io.targets import find_prescription

    plan = read_rtplan(choice.plan.path) if choice.plan else None
    return find_prescription(structures, plan).prescription.highest_gy


def _add_dose(choice: Any, prescribed_gy: float) -> Any:
    from DosePredictLib.io.rtdose import read_rtdose, whole_course
    from DosePredictLib.io.rtplan import read_rtplan

    if not choice.dose:
        return None
    plan = read_rtplan(choice.plan.path) if choice.plan else None
    dose = whole_course([read_rtdose(file.path) for file in choice.dose], plan, prescribed_gy)
    return _dose_node(dose.dose, choice.dose)


def _dose_node(dose: DoseGrid, files: Sequence[Any]) -> Any:
    node = add_volume(Volume(dose.gray, dose.grid), _("Planned dose"))
    remember_files(node, [file.path for file in files])
    return node


def _attempt(step: Any, warnings: list[str]) -> Any:
    """What can be done without: where it fails, the sentence is kept."""
    try:
        return step()
    except InputError as error:
        warnings.append(str(error))
        return None


def _place(ct: Any, structures: Any, planned: Any) -> None:
    """Patient and study as DICOM has them, without their names."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), hierarchy.GenerateUniqueItemName(_("Patient")))
    study = hierarchy.CreateStudyItem(patient, _("Study"))
    for node in filter(None, (ct, structures, planned)):
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
    if planned is not None:
        mark_as_dose(planned)
