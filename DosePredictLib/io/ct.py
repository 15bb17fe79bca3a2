"""A CT series as one volume in HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from ..core.errors import DicomError, GeometryError
from ..core.grid import Grid
from ..core.parallel import in_threads
from ..core.volumes import Volume
from .geometry import patient_axes, plane_grid
from .headers import integer, numbers, read_whole, text
from .scan import DicomFile

POSITION_MM = 0.01  # slices nearer than this are at one position
STEP_SHARE = 0.1  # of the median step: what rounding positions to 0.1 mm may change
TILT = 2e-3  # 0.1 degrees, as a sine
DECODERS = 2
HIGHEST_HU = 70_000  # 16 bits, and what an extended scale of metal reaches
PIXEL_FORMAT = ("BitsAllocated", "BitsStored", "PixelRepresentation")


def read_ct(slices: Sequence[DicomFile]) -> Volume:
    """The volume of a CT series in HU, float32 [k, j, i], k along the normal (row x column) of the slices.

    Positions: PS3.3 C.7.6.2.1.1; HU = RescaleSlope * stored + RescaleIntercept, slice by slice (C.8.2.1).
    Raises GeometryError for slices that are no regular stack, DicomError for slices that cannot be decoded.
    """
    ordered, grid = stack(slices)
    planes = in_threads(_decode, [file.path for file in ordered], threads=DECODERS)
    if any(plane.shape != grid.shape[1:] for plane in planes):
        raise DicomError("A CT slice has other pixels than its header says; export the series again.")
    return Volume(np.stack(planes), grid)


def stack(slices: Sequence[DicomFile]) -> tuple[list[DicomFile], Grid]:
    """The slices in the order of the normal, and their grid. Raises GeometryError where they are no regular stack."""
    if len(slices) < 2:
        raise GeometryError(f"The CT series has {len(slices)} slice; a volume needs at least two.")
    axes = _common_plane(slices)
    positions = np.array([numbers(s.header, "ImagePositionPatient", 3, s.path.name) for s in slices])
    order = np.argsort(positions @ axes[:, 2], kind="stable")
    ordered, positions = [slices[i] for i in order], positions[order]
    along = positions @ axes[:, 2]
    _check_steps(along)
    _check_tilt(positions, axes)
    step = (along[-1] - along[0]) / (len(along) - 1)
    first = ordered[0]
    return ordered, plane_grid(first.header, axes, positions[0], len(ordered), step, first.path.name)


def _common_plane(slices: Sequence[DicomFile]) -> np.ndarray:
    """The axes all slices share."""
    first = slices[0]
    axes = patient_axes(first.header, first.path.name)
    spacing = numbers(first.header, "PixelSpacing", 2, first.path.name)
    size = _size(first)
    for other in slices[1:]:
        name = other.path.name
        if not np.allclose(patient_axes(other.header, name), axes, atol=1e-4):
            raise GeometryError(f"The CT slices have different orientations ({name} differs); choose one axial series.")
        if not np.allclose(numbers(other.header, "PixelSpacing", 2, name), spacing, atol=1e-4):
            raise GeometryError(f"The CT slices have different pixel spacings ({name} differs); choose one reconstruction.")
        if _size(other) != size:
            raise GeometryError(f"The CT slices have different sizes ({name} differs); choose one reconstruction.")
        if _pixel_format(other) != _pixel_format(first):
            raise DicomError(f"The CT slices have different pixel formats ({name} differs); export the series again.")
    if np.abs(axes[:, 2]).max() < 1 - TILT**2 / 2:
        raise GeometryError(
            "The CT slices are oblique or tilted (their normal is no patient axis); export an axial series without tilt."
        )
    return axes


def _size(file: DicomFile) -> tuple[int, int]:
    return integer(file.header, "Rows"), integer(file.header, "Columns")


def _pixel_format(file: DicomFile) -> tuple[str, ...]:
    return tuple(text(file.header, keyword) for keyword in PIXEL_FORMAT)


def _check_steps(along: np.ndarray) -> None:
    """``along``: ascending positions on the normal, mm."""
    steps = np.diff(along)
    if steps.min() < POSITION_MM:
        raise GeometryError(f"Two CT slices lie at one position ({along[steps.argmin()]:.2f} mm); choose one of the two series.")
    usual = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - usual) > STEP_SHARE * usual + POSITION_MM)
    if uneven.size:
        at = uneven[0]
        raise GeometryError(
            f"The CT slices are not evenly spaced: after position {along[at]:.2f} mm the next is {steps[at]:.2f} mm away, not"
            f" {usual:.2f} mm; slices are missing, export the series again."
        )


def _check_tilt(positions: np.ndarray, axes: np.ndarray) -> None:
    """The slices must lie above each other along their normal."""
    path = positions[-1] - positions[0]
    sideways = np.abs((positions - positions[0]) @ axes[:, :2]).max()
    if sideways > max(TILT * np.linalg.norm(path), 0.1):
        raise GeometryError(
            f"The CT was taken with a tilted gantry (slices shift {sideways:.1f} mm sideways); export a series without tilt."
        )


def _decode(path: Path) -> np.ndarray:
    """One slice in HU, float32 [j, i]."""
    dataset = read_whole(path)
    try:
        hounsfield = _by_gdcm(path) if dataset.file_meta.TransferSyntaxUID.is_compressed else _scaled(dataset, path.name)
    except DicomError:
        raise
    except Exception:  # decoders raise many kinds
        raise DicomError(f"The pixels of {path.name} cannot be decoded: it is damaged or truncated; export it again.") from None
    if not np.abs(hounsfield).max() <= HIGHEST_HU:
        raise DicomError(f"{path.name} has voxels beyond {HIGHEST_HU} HU: its rescale is damaged; export the series again.")
    return hounsfield


def _by_gdcm(path: Path) -> np.ndarray:
    """Only what is compressed: of uncompressed files GDCM makes room for whatever length a damaged element states."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path), sitk.sitkFloat32, imageIO="GDCMImageIO"))[0]


def _scaled(dataset: Dataset, file: str) -> np.ndarray:
    """RescaleSlope * stored + RescaleIntercept; bits above BitsStored may hold overlays (PS3.5 8.1.1)."""
    slope, intercept = numbers(dataset, "RescaleSlope", 1, file)[0], numbers(dataset, "RescaleIntercept", 1, file)[0]
    unused = dataset.BitsAllocated - dataset.BitsStored
    stored = (dataset.pixel_array << unused) >> unused
    with np.errstate(over="ignore"):  # what is beyond float32 is refused
        return (stored * slope + intercept).astype(np.float32)
