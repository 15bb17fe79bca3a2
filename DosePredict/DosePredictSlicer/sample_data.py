"""The synthetic head-and-neck patient in Slicer's Sample Data module; it is made here, nothing is downloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib.resources import resource

CATEGORY = "Radiotherapy"
NAME = "DosePredictHeadAndNeck"


def register() -> None:
    """Called once Slicer has started."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # Slicer 5.12 and newer
        logic.registerCustomSampleDataCategory(CATEGORY)
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        thumbnailFileName=str(resource("Icons", "DosePredict.png")),
        customDownloader=lambda _source=None: [load().ct],
    )


def load(spacing_mm: tuple[float, float, float] | None = None) -> Any:
    """Make the patient as DICOM in Slicer's temporary folder and load it; returns what ``load_folder`` does."""
    from DosePredictLib.phantom import SPACING_MM, write_phantom

    from .folder_loader import load_folder

    folder = Path(tempfile.mkdtemp(prefix="dosepredict-sample-", dir=slicer.app.temporaryPath))
    with slicer.util.WaitCursor():
        slicer.util.showStatusMessage(_("Making a synthetic patient ..."), 3000)
        write_phantom(folder / "patient", spacing_mm=spacing_mm or SPACING_MM)
        return load_folder([folder / "patient"])
