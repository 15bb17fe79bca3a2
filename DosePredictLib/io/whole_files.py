"""DICOM files that appear whole and checked, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset

from ..core.errors import OutputError
from ..core.volumes import DoseGrid
from .dose_pixels import decode

FileToWrite = tuple[Path, FileDataset, Callable[[Path], None]]  # where, what, and what it must pass when read back
POSITION_TOLERANCE_MM = 1e-3


def write_whole(files: Sequence[FileToWrite]) -> None:
    """Write all files or none: beside their places as ``.part``, read back and checked, then renamed.

    Raises OutputError where a place is taken, a folder is not writable, the disk is full or a file reads back differently.
    """
    parts = [path.with_name(path.name + ".part") for path, _, _ in files]
    placed: list[Path] = []
    try:
        for (path, dataset, check), part in zip(files, parts, strict=True):
            _refuse_existing(path)
            _write(dataset, part)
            check(part)
        for (path, _, _), part in zip(files, parts, strict=True):
            _refuse_existing(path)
            os.replace(part, path)
            placed.append(path)
    except BaseException as error:
        _remove([*parts, *placed])
        if isinstance(error, OSError):
            name, reason = files[0][0].parent.name, error.strerror or type(error).__name__
            raise OutputError(f"The dose could not be written to the folder {name} ({reason}); choose another folder.") from None
        raise


def encoded(dataset: FileDataset) -> bytes:
    """The file as bytes, with preamble and file meta information."""
    buffer = BytesIO()
    if int(pydicom.__version_info__[0]) >= 3:
        dataset.save_as(buffer, enforce_file_format=True)
    else:
        dataset.save_as(buffer, write_like_original=False)
    return buffer.getvalue()


def check_dose_file(path: Path, dose: DoseGrid) -> None:
    """Raises OutputError unless the file holds this dose, each voxel within half a step, at this place."""
    dataset = pydicom.dcmread(path)
    step = float(dataset.DoseGridScaling)
    read = decode(dataset)
    if read.shape != dose.gray.shape or float(np.abs(read - dose.gray).max()) > step * (0.5 + 1e-3):
        raise OutputError("The RTDOSE read back differs from the predicted dose; it was removed. Please report this.")
    if not np.allclose(_far_corners(dataset), _expected_corners(dose), atol=POSITION_TOLERANCE_MM):
        raise OutputError("The RTDOSE read back lies elsewhere than the predicted dose; it was removed. Please report this.")


def check_plan_file(path: Path, plan: FileDataset) -> None:
    """Raises OutputError unless the file holds this plan, to the byte."""
    if pydicom.dcmread(path).SOPInstanceUID != plan.SOPInstanceUID or path.read_bytes() != encoded(plan):
        raise OutputError("The RTPLAN read back differs from the plan that was written; it was removed. Please report this.")


def _far_corners(dataset: Dataset) -> np.ndarray:
    """(2, 3) LPS mm of the first and the last voxel as a reader of DICOM places them."""
    row, column = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(v) for v in dataset.PixelSpacing)
    first = np.array(dataset.ImagePositionPatient, dtype=float)
    last = (
        first + row * between_columns * (dataset.Columns - 1) + column * between_rows * (dataset.Rows - 1)
        + np.cross(row, column) * float(dataset.GridFrameOffsetVector[-1])
    )  # fmt: skip
    return np.stack([first, last])


def _expected_corners(dose: DoseGrid) -> np.ndarray:
    return dose.grid.to_world(np.array([(0, 0, 0), np.array(dose.grid.size) - 1]))


def _write(dataset: FileDataset, path: Path) -> None:
    with path.open("xb") as file:
        file.write(encoded(dataset))
        file.flush()
        os.fsync(file.fileno())


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise OutputError(f"The file {path.name} exists already and is never overwritten; choose another folder.")


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue
