"""A planning system's own dose-volume histograms, in whatever file it writes them."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.structures import StructureSet
from ..core.tabulated_dvh import TabulatedDvh
from .dvh_sequence import read_dvh_sequence
from .eclipse_dvh import read_eclipse_dvh
from .headers import looks_like_dicom


def read_tps_dvh(path: Path, structures: StructureSet | None = None) -> tuple[TabulatedDvh, ...]:
    """The histograms of an RTDOSE with DVHSequence, or of a text file that Eclipse exported.

    structures: names the ROIs of an RTDOSE, which knows them by number. Raises InputError for any other file.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path.name} with dose-volume histograms; check its name.")
    return read_dvh_sequence(path, structures) if looks_like_dicom(path) else read_eclipse_dvh(path)
