"""What a job for 3D Slicer reads and writes instead of DICOM: the scene is both its input and its output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core import Case, DoseGrid, QaCase, Volume

if TYPE_CHECKING:
    from ..io.case import DicomCase

VOLUMES = "volumes.npz"  # in output/: predicted, difference (predicted - planned) and uncertainty, in Gy; gamma
PREDICTED, DIFFERENCE, UNCERTAINTY, GAMMA = "predicted", "difference", "uncertainty", "gamma"


def read(folder: Path) -> DicomCase:
    """The case a scene handed over. Raises InputError for a damaged one, GeometryError for targets outside the CT."""
    from ..io.case import DicomCase
    from ..io.checks import target_warnings
    from ..io.scene_case import read_scene_case

    case = read_scene_case(folder)
    return DicomCase(case, warnings=tuple(target_warnings(case.prescription, case.structures, case.ct.grid)))


def read_qa(folder: Path) -> QaCase:
    """The plan to be measured that a scene handed over. Raises InputError for a damaged one."""
    from ..io.scene_case import read_scene_qa_case

    return read_scene_qa_case(folder)


def write(folder: Path, case: Case, dose: DoseGrid, spread: Volume | None) -> None:
    """The volumes for the scene. Raises OutputError where they cannot be written."""
    _write(folder, case.reference, dose, {UNCERTAINTY: spread})


def write_qa(folder: Path, case: QaCase, dose: DoseGrid, spread: Volume | None, gamma: Volume) -> None:
    """The same of a predicted measured dose. gamma: NaN where it was not evaluated."""
    _write(folder, case.planned, dose, {UNCERTAINTY: spread, GAMMA: gamma})


def _write(folder: Path, planned: DoseGrid | None, dose: DoseGrid, others: dict[str, Volume | None]) -> None:
    from ..evaluation.difference import difference
    from ..io.scene_case import write_volumes

    change = difference(dose, planned) if planned is not None else None
    volumes = {PREDICTED: Volume(dose.gray, dose.grid), DIFFERENCE: change, **others}
    write_volumes(folder / VOLUMES, {name: volume for name, volume in volumes.items() if volume is not None})
