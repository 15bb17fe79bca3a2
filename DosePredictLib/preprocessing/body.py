"""The patient's outline on a CT, where nobody contoured it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from ..core import InputError, Volume
from ..core.parallel import in_threads

TISSUE_HU = -300.0  # between air or foam and any tissue; lung and bowel gas are filled afterwards
COUCH_MM = 4.0  # half thickness of what still counts as couch, mask or cable; a chest wall is thicker
COARSE_MM = 2.0  # about the in-plane sampling that tells a couch from a patient


def body_mask(ct: Volume) -> np.ndarray:
    """Voxels of the patient, [k, j, i] bool, from a CT in HU: its largest connected piece, holes filled slice by slice.

    What is thinner than 8 mm in plane, such as a couch top, mask or cable, parts from it even where it touches the skin.
    Raises InputError where the CT shows no tissue.
    """
    tissue = ct.array > TISSUE_HU
    steps = [max(1, round(COARSE_MM / spacing)) for spacing in ct.grid.spacing[:2]]
    coarse = tissue[:, :: steps[1], :: steps[0]]
    radii = [round(COUCH_MM / (spacing * step)) for spacing, step in zip(ct.grid.spacing[:2], steps, strict=True)]
    patient = _largest_piece(coarse, [max(1, radius) for radius in radii])
    near = patient.repeat(steps[1], axis=1).repeat(steps[0], axis=2)[:, : tissue.shape[1], : tissue.shape[2]]
    return filled(tissue & near)


def _largest_piece(mask: np.ndarray, radii: list[int]) -> np.ndarray:
    """The largest piece that stays connected when thinned by ``radii`` (i, j), grown back and one voxel beyond."""
    thinned = _by_slice(lambda image: sitk.GrayscaleErode(image, radii, sitk.sitkBall), mask)
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray(thinned.astype(np.uint8))))  # ordered by size
    largest = sitk.GetArrayViewFromImage(pieces) == 1
    if not largest.any():
        raise InputError(
            f"The CT shows no body (nothing thicker than {2 * COUCH_MM:g} mm above {TISSUE_HU:g} HU);"
            " check that it is a CT in Hounsfield units, or contour External."
        )
    return _by_slice(lambda image: sitk.BinaryDilate(image, [radius + 1 for radius in radii], sitk.sitkBall), largest)


def filled(mask: np.ndarray) -> np.ndarray:
    """Holes of each slice filled, [k, j, i] bool."""
    return _by_slice(sitk.BinaryFillhole, mask)


def _by_slice(filtered: Callable[[sitk.Image], sitk.Image], mask: np.ndarray) -> np.ndarray:
    """[k, j, i] bool."""
    planes = in_threads(lambda plane: filtered(sitk.GetImageFromArray(plane)), mask.astype(np.uint8))
    return np.stack([sitk.GetArrayViewFromImage(plane) for plane in planes]).astype(bool)
