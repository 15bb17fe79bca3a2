"""Dose-volume histograms in an RT Dose (PS3.3 C.8.8.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import InputError
from .new_dicom import decimal, decimals, reference

LONGEST = 60_000  # characters; an element of explicit VR with a 16-bit length holds 65 534


@dataclass(frozen=True, eq=False)
class DvhCurve:
    """A cumulative dose-volume histogram: volume_cc[n] receives at least n * bin_gy."""

    roi_number: int
    bin_gy: float
    volume_cc: np.ndarray
    minimum_gy: float
    maximum_gy: float
    mean_gy: float


def add_dvhs(dataset: Dataset, curves: Sequence[DvhCurve], rtstruct: Dataset) -> None:
    """The histograms and the structure set of their ROIs: one without the other is an error of the RT DVH module."""
    if curves:
        dataset.ReferencedStructureSetSequence = [reference(rtstruct)]
        dataset.DVHSequence = [_item(curve) for curve in curves]


def _item(curve: DvhCurve) -> Dataset:
    """Pairs of bin width in Gy and the volume at or above the bin's start. Raises InputError for too many."""
    roi = Dataset()
    roi.DVHROIContributionType = "INCLUDED"
    roi.ReferencedROINumber = curve.roi_number
    item = Dataset()
    item.DVHReferencedROISequence = [roi]
    item.DVHType, item.DoseUnits, item.DoseType = "CUMULATIVE", "GY", "PHYSICAL"
    item.DVHDoseScaling, item.DVHVolumeUnits = decimal(1), "CM3"
    item.DVHNumberOfBins = len(curve.volume_cc)
    width, volumes = str(decimal(curve.bin_gy)), [f"{volume:.6g}" for volume in curve.volume_cc]
    item.DVHData = [text for volume in volumes for text in (width, volume)]
    if sum(len(text) + 1 for text in (*volumes, *[width] * len(volumes))) > LONGEST:
        raise InputError(f"A dose-volume histogram of {len(volumes)} bins does not fit into an RT Dose; use wider bins.")
    item.DVHMinimumDose, item.DVHMaximumDose, item.DVHMeanDose = decimals((curve.minimum_gy, curve.maximum_gy, curve.mean_gy))
    return item
