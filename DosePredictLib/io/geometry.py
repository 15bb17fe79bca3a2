"""From the image plane module of DICOM (PS3.3 C.7.6.2) to a grid."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import DicomError, GeometryError
from ..core.grid import Grid
from .headers import integer, numbers

UNIT_TOLERANCE = 1e-3
LARGEST = 4096  # voxels along an axis


def patient_axes(header: Dataset, file: str) -> np.ndarray:
    """3x3, columns are the directions of i (along a row), j (along a column) and k = i x j, from ImageOrientationPatient.

    Raises DicomError where it is absent, GeometryError where the two directions are not perpendicular unit vectors.
    """
    row, column = numbers(header, "ImageOrientationPatient", 6, file).reshape(2, 3)
    products = np.array([row @ row, column @ column, row @ column])
    if not np.allclose(products, (1, 1, 0), atol=UNIT_TOLERANCE):
        raise GeometryError(f"{file} has an ImageOrientationPatient that is not two perpendicular unit vectors; export it again.")
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return np.round(np.column_stack([row, column, np.cross(row, column)]), 12) + 0.0  # no -1e-16, no -0.0


def plane_grid(header: Dataset, axes: np.ndarray, origin: np.ndarray, slices: int, step_mm: float, file: str) -> Grid:
    """The grid of ``slices`` frames of this image plane, ``step_mm`` apart along the normal, the first at ``origin``.

    PixelSpacing is (between rows, between columns), that is (j, i).
    """
    between_rows, between_columns = numbers(header, "PixelSpacing", 2, file)
    size = (integer(header, "Columns"), integer(header, "Rows"), slices)
    if min(size) < 1 or min(between_rows, between_columns) <= 0:
        raise DicomError(f"The size or pixel spacing of {file} is not positive; export it again.")
    if max(size) > LARGEST:
        raise DicomError(f"{file} says it has {size[0]} x {size[1]} x {size[2]} voxels, which cannot be; export it again.")
    return Grid(
        size=size,
        spacing=(float(between_columns), float(between_rows), float(step_mm)),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(float(v) for v in axes.ravel()),
    )
