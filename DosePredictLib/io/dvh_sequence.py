"""The histograms a planning system stores in an RT Dose (PS3.3 C.8.8.4, RT DVH).

Only the curve is read. The statistics beside it are not: planning systems give DVHMinimumDose, DVHMeanDose and
DVHMaximumDose in percent where DoseUnits says GY. DVHNumberOfBins is not needed, and is often another number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import DicomError
from ..core.structures import StructureSet
from ..core.tabulated_dvh import TabulatedDvh
from .headers import decimal, integer, items, numbers, read_whole, text

SOURCE = "RTDOSE"
VOLUME_UNITS = ("CM3", "PERCENT")
TYPES = ("CUMULATIVE", "DIFFERENTIAL")
HIGHEST_FRACTION = 3.0  # relative doses up to this are shares of the normalisation, above it percent


def read_dvh_sequence(path: Path, structures: StructureSet | None = None) -> tuple[TabulatedDvh, ...]:
    """Every histogram of an RT Dose; ``structures`` gives the ROIs their names.

    Raises DicomError where there is none, or one that cannot be read as it claims to be.
    """
    dataset = read_whole(path)
    found = items(dataset, "DVHSequence")
    if not found:
        raise DicomError(f"{path.name} holds no dose-volume histograms (DVHSequence); export the dose with its DVHs.")
    names = {structure.number: structure.name for structure in structures or ()}
    normalisation = decimal(dataset, "DVHNormalizationDoseValue")
    return tuple(_histogram(item, _name(item, names), normalisation, path.name) for item in found)


def _name(item: Dataset, names: dict[int, str]) -> str:
    """The ROI; several are joined by + where they are included and - where they are excluded."""
    referenced = items(item, "DVHReferencedROISequence")
    name = ""
    for roi in referenced:
        number = integer(roi, "ReferencedROINumber", -1)
        excluded = text(roi, "DVHROIContributionType") == "EXCLUDED"
        name += (" - " if excluded else " + ") + names.get(number, f"ROI {number}")
    return name.removeprefix(" + ").strip() or "ROI without number"


def _histogram(item: Dataset, name: str, normalisation: float | None, file: str) -> TabulatedDvh:
    kind, unit = text(item, "DVHType"), text(item, "DVHVolumeUnits")
    if kind not in TYPES or unit not in VOLUME_UNITS:
        raise DicomError(
            f"The DVH of {name} in {file} is {kind or 'of no type'} in {unit or 'no unit'}; export a cumulative one in cm3."
        )
    data = numbers(item, "DVHData", None, file)
    if len(data) < 4 or len(data) % 2:
        raise DicomError(f"The DVH of {name} in {file} has {len(data)} numbers instead of pairs; export it again.")
    widths, volume = data[::2] * (decimal(item, "DVHDoseScaling") or 1.0), data[1::2]
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    if kind == "DIFFERENTIAL":
        volume = np.append(np.cumsum(volume[::-1])[::-1], 0.0)
    dose = edges[: len(volume)] * _gray_per_unit(item, edges[-1], normalisation, name, file)
    total = float(volume[0]) if unit == "CM3" else None
    return TabulatedDvh.cumulative(name, dose, volume, total_cc=total, source=SOURCE)


def _gray_per_unit(item: Dataset, highest: float, normalisation: float | None, name: str, file: str) -> float:
    """1 for GY; for RELATIVE, the share of DVHNormalizationDoseValue that one unit is."""
    unit = text(item, "DoseUnits")
    if unit == "GY":
        return 1.0
    if unit != "RELATIVE" or not normalisation:
        raise DicomError(
            f"The DVH of {name} in {file} has dose units {unit or 'missing'} and no DVHNormalizationDoseValue; export it in Gy."
        )
    return normalisation if highest <= HIGHEST_FRACTION else normalisation / 100
