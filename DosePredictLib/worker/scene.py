"""What a job for 3D Slicer reads and writes instead of DICOM: the scene is both its input and its output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core import Case, DoseGrid, Volume

if TYPE_CHECKING:
    from ..io.case import DicomCase

VOLUMES = "volumes.npz"  # in output/: predicted, difference (predicted - planned) and uncertainty, in Gy
PREDICTED, DIFFERENCE, UNCERTAINTY = "predicted", "difference", "uncertainty"


def read(folder: Path) -> DicomCase:
    """The case a scene handed over. Raises InputError for a damaged one, GeometryError for targets outside the CT."""
    from ..io.case import DicomCase
    from ..io.checks import target_warnings
    from ..io.scene_case import read_scene_case

    case = read_scene_case(folder)
    return DicomCase(case, warnings=tuple(target_warnings(case.prescription, case.structures, case.ct.grid)))


def write(folder: Path, case: Case, dose: DoseGrid, spread: Volume | None) -> None:
    """The volumes for the scene. Raises OutputError where they cannot be written."""
    from ..evaluation.difference import difference
    from ..io.scene_case import write_volumes

    volumes = {PREDICTED: Volume(dose.gray, dose.grid)}
    if case.reference is not None:
        volumes[DIFFERENCE] = difference(dose, case.reference)
    if spread is not None:
        volumes[UNCERTAINTY] = spread
    write_volumes(folder / VOLUMES, volumes)
