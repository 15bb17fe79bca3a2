"""Volumes of the scene (RAS) and of the library (LPS, ``Grid``); with scene_structures.py the only places that know both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import slicer
import vtk

from DosePredictLib.core import DoseGrid, Grid, InputError, Volume

RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # its own inverse


def volume_of(node: Any) -> Volume:
    """The voxels of a scalar volume node where they lie in the world.

    Raises InputError for an empty volume or one under a non-linear transform, GeometryError for sheared axes.
    """
    if node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        raise InputError(f"The volume {node.GetName()} has no voxels; choose another one or load it again.")
    array = slicer.util.arrayFromVolume(node)
    if array.ndim != 3:
        raise InputError(f"The volume {node.GetName()} has several values in each voxel; choose one with a single value.")
    return placed(array, index_to_lps(node))


def index_to_lps(node: Any) -> np.ndarray:
    """4x4 matrix from the voxels (i, j, k) of a volume node to LPS mm. Raises InputError under a non-linear transform."""
    ijk_to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijk_to_ras)
    return RAS_LPS @ to_world(node) @ array_of(ijk_to_ras)


def dose_of(node: Any) -> DoseGrid:
    """A volume node as a dose in Gy; what lies below zero through interpolation is zero."""
    volume = volume_of(node)
    return DoseGrid(np.maximum(volume.array, 0).astype(np.float32), volume.grid)


def placed(array: np.ndarray, index_to_lps: np.ndarray) -> Volume:
    """An array [k, j, i] with its 4x4 matrix from (i, j, k) to LPS mm; slices are reversed where the axes are left-handed."""
    matrix = index_to_lps.copy()
    if np.linalg.det(matrix[:3, :3]) < 0:
        matrix[:3, 3] += matrix[:3, 2] * (len(array) - 1)
        matrix[:3, 2] *= -1
        array = array[::-1]
    k, j, i = array.shape
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    x, y, z = (float(v) for v in matrix[:3, 3])
    a, b, c = (float(v) for v in spacing)
    direction = tuple(float(v) for v in (matrix[:3, :3] / spacing).ravel())
    return Volume(array, Grid((i, j, k), (a, b, c), (x, y, z), direction))


def to_world(node: Any) -> np.ndarray:
    """4x4 matrix of all transforms a node is under. Raises InputError where one is not linear."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise InputError(
            f"{node.GetName()} is under the transform {parent.GetName()}, which is not linear; resample it with that transform"
            " (harden it), or take the transform off."
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return array_of(matrix)


def add_volume(volume: Volume, name: str, attributes: Mapping[str, str] | None = None) -> Any:
    """A new scalar volume node with these voxels, not yet displayed; selectors see its attributes as soon as they see it."""
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    node.UnRegister(None)  # the scene will hold it
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    for key, value in (attributes or {}).items():
        node.SetAttribute(key, value)
    node = slicer.mrmlScene.AddNode(node)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(volume.array))
    node.SetIJKToRASMatrix(matrix_of(RAS_LPS @ volume.grid.index_to_world))
    return node


def array_of(matrix: Any) -> np.ndarray:
    """A vtkMatrix4x4 as an array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def matrix_of(array: np.ndarray) -> Any:
    """An array as a vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(v) for v in array.ravel()])
    return matrix
