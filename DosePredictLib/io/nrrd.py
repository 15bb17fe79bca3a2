"""Volumes as NRRD (through SimpleITK), in LPS millimetres."""

from __future__ import annotations

import os
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError, OutputError
from ..core.grid import Grid
from ..core.volumes import Volume


def write_nrrd(path: Path | str, volume: Volume) -> None:
    """Compressed, whole or not at all; replaces an older file. Raises OutputError where it cannot be written."""
    path = Path(path)
    part = path.with_name(f"{path.stem}.part.nrrd")
    try:
        sitk.WriteImage(to_image(volume), str(part), useCompression=True)
        os.replace(part, path)
    except (RuntimeError, OSError):
        part.unlink(missing_ok=True)
        raise OutputError(f"The volume {path.name} could not be written; check that the folder exists and is writable.") from None


def read_nrrd(path: Path | str) -> Volume:
    """Raises InputError for a file that is not a scalar volume in three dimensions."""
    path = Path(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise InputError(f"The file {path.name} cannot be read as a volume.") from None
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"The file {path.name} is not a scalar volume in three dimensions.")
    return from_image(image)


def to_image(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    return image


def from_image(image: sitk.Image) -> Volume:
    size, spacing, origin = image.GetSize(), image.GetSpacing(), image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image), Grid(size, spacing, origin, image.GetDirection()))
