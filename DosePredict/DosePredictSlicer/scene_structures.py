"""Segments of the scene as structures of the library: as contours where there are contours, else as they were painted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from DosePredictLib.core import Structure, StructureSet, Volume

from .scene_volumes import RAS_LPS, array_of, index_to_lps, placed, to_world

CONTOURS, LABELMAP = "Planar contour", "Binary labelmap"  # names of representations in vtkSegmentationConverter
ROI_NUMBER, ROI_TYPE = "DicomRtImport.RoiNumber", "DosePredict.RTROIInterpretedType"  # tags of a segment


def structures_of(node: Any, reference: Any) -> StructureSet:
    """All segments of a segmentation node, named as there. reference: the volume whose voxels closed surfaces are filled on.

    Raises InputError where the segmentation is under a non-linear transform.
    """
    ras_to_lps = RAS_LPS @ to_world(node)
    return StructureSet(tuple(_structure(node, key, segment, ras_to_lps, reference) for key, segment in segments_of(node)))


def segments_of(node: Any) -> Iterator[tuple[str, Any]]:
    """Segment IDs and segments, in their order."""
    segmentation = node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        key = segmentation.GetNthSegmentID(number)
        yield key, segmentation.GetSegment(key)


def colors_of(node: Any) -> dict[str, tuple[float, float, float]]:
    """Segment name -> red, green, blue; empty for None."""
    return {segment.GetName(): segment.GetColor() for _key, segment in segments_of(node)} if node is not None else {}


def tag_of(segment: Any, name: str) -> str:
    """A tag of a segment, empty where it has none."""
    value = vtk.mutable("")
    return str(value) if segment.GetTag(name, value) else ""


def contours_of(polydata: Any, ras_to_lps: np.ndarray) -> tuple[np.ndarray, ...]:
    """The closed polygons of a planar-contour representation, each (n, 3) in LPS mm."""
    if polydata is None or polydata.GetNumberOfPoints() == 0:
        return ()
    points = vtk_to_numpy(polydata.GetPoints().GetData()).astype(float) @ ras_to_lps[:3, :3].T + ras_to_lps[:3, 3]
    cells = (*_cells(polydata.GetLines()), *_cells(polydata.GetPolys()))
    return tuple(_opened(points[cell]) for cell in cells if len(cell) >= 3)


def polydata_of(contours: tuple[np.ndarray, ...]) -> Any:
    """Polygons in LPS mm as a planar-contour representation: closed lines in RAS, as SlicerRT makes them."""
    points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
    points.SetDataTypeToDouble()
    if contours:
        points.SetData(numpy_to_vtk(np.concatenate(contours) @ RAS_LPS[:3, :3], deep=True))
    start = 0
    for contour in contours:
        lines.InsertNextCell(len(contour) + 1)
        for number in (*range(start, start + len(contour)), start):
            lines.InsertCellPoint(number)
        start += len(contour)
    polydata = vtk.vtkPolyData()
    polydata.SetPoints(points)
    polydata.SetLines(lines)
    return polydata


def _structure(node: Any, key: str, segment: Any, ras_to_lps: np.ndarray, reference: Any) -> Structure:
    number = tag_of(segment, ROI_NUMBER)
    common: dict[str, Any] = {
        "name": segment.GetName(),
        "number": int(number) if number.isdigit() else 0,
        "interpreted_type": tag_of(segment, ROI_TYPE),
    }
    if segment.GetRepresentation(CONTOURS) is not None:
        return Structure(contours=contours_of(segment.GetRepresentation(CONTOURS), ras_to_lps), **common)
    occupancy = _painted(node, key, segment, ras_to_lps) or _filled(node, key, reference)
    return Structure(occupancy=occupancy, **common)


def _painted(node: Any, key: str, segment: Any, ras_to_lps: np.ndarray) -> Volume | None:
    """The segment's own voxels; several segments may share one labelmap."""
    image = segment.GetRepresentation(LABELMAP)
    if image is None:
        return None
    first = np.array(image.GetExtent()[::2], dtype=float)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    index_to_ras = array_of(matrix)
    index_to_ras[:3, 3] += index_to_ras[:3, :3] @ first
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, key)
    if array is None or array.size == 0:
        return None
    return placed((array == segment.GetLabelValue()).astype(np.float32), ras_to_lps @ index_to_ras)


def _filled(node: Any, key: str, reference: Any) -> Volume | None:
    """A closed surface on the voxels of the reference volume."""
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, key, reference)
    return None if array is None else placed(array.astype(np.float32), index_to_lps(reference))


def _cells(cells: Any) -> list[np.ndarray]:
    if cells is None or cells.GetNumberOfCells() == 0:
        return []
    ends = vtk_to_numpy(cells.GetOffsetsArray())
    return np.split(vtk_to_numpy(cells.GetConnectivityArray()), ends[1:-1])


def _opened(points: np.ndarray) -> np.ndarray:
    """Without the last point where it repeats the first."""
    return points[:-1] if len(points) > 3 and np.array_equal(points[0], points[-1]) else points
