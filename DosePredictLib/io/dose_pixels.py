"""Gray to the integers of an RT Dose, and the grid to its image plane."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ..core.errors import OutputError
from ..core.volumes import DoseGrid
from .new_dicom import decimal, decimals

GRID_FRAME_OFFSET_VECTOR = Tag(0x3004, 0x000C)


def add_dose_image(dataset: Dataset, dose: DoseGrid, bits: int = 32) -> None:
    """Image plane, pixels, frames and scaling of a dose (PS3.3 C.7.6.2, C.7.6.3, C.7.6.6, C.8.8.3).

    bits: 16 or 32. Frames lie along the normal (row x column), the first offset is 0.
    """
    _add_plane(dataset, dose)
    scaling, stored = encode(dose.gray, bits)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stored.shape
    dataset.FrameIncrementPointer = GRID_FRAME_OFFSET_VECTOR
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0  # two's complement is legal for DoseType ERROR only (C.8.8.3.4.6)
    dataset.DoseUnits, dataset.DoseType = "GY", "PHYSICAL"
    dataset.DoseGridScaling = decimal(scaling)
    dataset.add_new("PixelData", "OW", stored.tobytes())


def encode(gray: np.ndarray, bits: int) -> tuple[float, np.ndarray]:
    """Scaling in Gy, as it will stand in the file, and the unsigned little-endian integers.

    In float64: single precision would round the hottest voxel up to 2**32, which wraps to 0.
    """
    if bits not in (16, 32):
        raise OutputError(f"A dose is stored in 16 or 32 bits, not {bits}.")
    highest_integer = 2**bits - 1
    scaling = float(decimal(max(float(gray.max()), 1e-3) / highest_integer))
    steps = np.rint(gray.astype(np.float64) / scaling)
    return scaling, np.clip(steps, 0, highest_integer).astype(f"<u{bits // 8}")


def decode(dataset: Dataset) -> np.ndarray:
    """Gray, float64, (frames, rows, columns), of a data set that ``add_dose_image`` filled."""
    stored = np.frombuffer(dataset.PixelData, dtype=f"<u{dataset.BitsAllocated // 8}")
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns)
    return stored[: np.prod(shape)].reshape(shape) * float(dataset.DoseGridScaling)


def _add_plane(dataset: Dataset, dose: DoseGrid) -> None:
    grid = dose.grid
    dataset.ImagePositionPatient = decimals(grid.origin)
    dataset.ImageOrientationPatient = decimals(np.round(grid.axes[:, :2].T.ravel(), 12) + 0.0)
    dataset.PixelSpacing = decimals((grid.spacing[1], grid.spacing[0]))  # between rows, between columns
    dataset.SliceThickness = decimal(grid.spacing[2])
    dataset.GridFrameOffsetVector = decimals(np.arange(grid.size[2]) * grid.spacing[2])
