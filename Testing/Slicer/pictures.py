"""Pictures of the module for the documentation, drawn on the stand-in for Slicer: python Testing/Slicer/pictures.py FOLDER

The Python needs slicer-core and PySide6 (Testing/SlicerHost/README.md); DOSEPREDICT_PYTHON names one with torch for the worker.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "Testing" / "SlicerHost")]

import slicerhost

slicerhost.start()
slicerhost.load_module(REPOSITORY / "DosePredict" / "DosePredict.py")

import qt
import slicer
from slicerhost import person, wait_until

COLOURS = 128  # of a picture's palette; keeps the files small
TARGET_RAS = (0, 0, 0)


class Photographer:
    """Takes pictures into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.window = slicer.util.mainWindow()
        self.window.resize(1500, 1000)
        slicer.util.selectModule("DosePredict")
        self.panel = slicer.modules.dosepredict.widgetRepresentation()
        self.ui = self.panel.self().panel.ui

    def window_as(self, name: str) -> None:
        self._save(self.window, name)

    def section(self, name: str, *sections: Any) -> None:
        """The part of the panel from the first to the last section."""
        settle()
        boxes = [qt.QRect(section.mapTo(self.panel, qt.QPoint(0, 0)), section.size) for section in sections]
        place = boxes[0]
        for box in boxes[1:]:
            place = place.united(box)
        self._save(self.panel, name, place)

    def _save(self, widget: Any, name: str, place: Any = None) -> None:
        settle()
        picture = widget.grab(place) if place is not None else widget.grab()
        image = picture.toImage().convertToFormat(qt.QImage.Format_RGB888)
        image.save(str(self.folder / f"slicer-{name}.png"))


def settle() -> None:
    """Let timers and drawing come to rest."""
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.start(400)
    wait_until(lambda: not timer.isActive(), 5)


def main(folder: Path) -> None:
    from DosePredictLib.phantom import write_phantom

    camera = Photographer(folder)
    ui = camera.ui
    camera.window_as("empty")
    with tempfile.TemporaryDirectory() as patient:
        write_phantom(Path(patient) / "patient")
        person.drop(camera.panel.self().panel._drop, [Path(patient)])
        camera.window_as("loaded")
        camera.section("panel-loaded", ui.patientSection, ui.checksSection)
        person.click(ui.predictButton)
        queue = camera.panel.self().logic.queue
        wait_until(lambda: queue.progress.stage == "sample" or not queue.is_running, 120)
        camera.section("panel-running", ui.runSection)
        wait_until(lambda: not queue.is_running, 300)
        print(queue.failure)
        person.click(ui.isodosesCheckBox)
        camera.window_as("wash")
        person.click(ui.showDvhButton)
        camera.window_as("dvh")
        camera.section("panel-results", ui.resultsSection, ui.exportSection)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
