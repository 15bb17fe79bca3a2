"""Pictures of the module for the documentation, drawn on the stand-in for Slicer: python Testing/Slicer/pictures.py FOLDER

The Python needs slicer-core and PySide6 (Testing/SlicerHost/README.md) and no torch; DOSEPREDICT_PYTHON names one with torch.
"""

# ruff: noqa: E402 - the stand-in first, then what it makes possible

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
from PIL import Image
from slicerhost import person, wait_until

WINDOW = (1440, 960)
COLOURS = 255  # of a picture's palette; keeps a window below 300 kB
ZOOM = 0.62  # share of the whole scan that the slice views show
PREDICTION_S = 600
MEASURED_MODEL = "dmtp"


class Photographer:
    """Opens the module and takes pictures into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.window = slicer.util.mainWindow()
        self.window.resize(*WINDOW)
        slicer.util.selectModule("DosePredict")
        self.page = slicer.modules.dosepredict.widgetRepresentation()
        self.panel = self.page.self().panel
        self.ui, self.queue = self.panel.ui, self.panel.queue

    def take(self, name: str, *sections: Any) -> None:
        """The panel from the first to the last of some sections, or the whole window."""
        settle()
        boxes = [qt.QRect(section.mapTo(self.page, qt.QPoint(0, 0)), section.size) for section in sections]
        picture = self.page.grab(boxes[0].united(boxes[-1])) if boxes else self.window.grab()
        image = picture.toImage().convertToFormat(qt.QImage.Format_RGB888)
        size, pixels = (image.width(), image.height()), bytes(image.constBits())
        file = self.folder / f"slicer-{name}.png"
        colours = Image.frombytes("RGB", size, pixels, "raw", "RGB", image.bytesPerLine())
        colours.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)

    def scroll_to(self, section: Any) -> None:
        """Bring a section to the top of the panel."""
        place = self.page.parentWidget().parentWidget()
        place.verticalScrollBar().setValue(section.mapTo(self.page, qt.QPoint(0, 0)).y())

    def predict(self) -> None:
        person.click(self.ui.predictButton)
        wait_until(lambda: not self.queue.is_running, PREDICTION_S, what="the prediction")


def settle() -> None:
    """Let timers and drawing come to rest."""
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.start(500)
    wait_until(lambda: not timer.isActive(), 10, what="half a second")
    qt.QApplication.processEvents()


def zoom_in() -> None:
    """Closer than the whole scan, on the highest target."""
    for name in ("Red", "Green", "Yellow"):
        node = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        x, y, z = node.GetFieldOfView()
        node.SetFieldOfView(ZOOM * x, ZOOM * y, z)
        node.JumpSliceByCentering(25, 20, -5)


def main(folder: Path) -> None:
    from DosePredictLib.phantom import write_phantom

    camera = Photographer(folder)
    ui = camera.ui
    with tempfile.TemporaryDirectory() as patient:
        write_phantom(Path(patient) / "patient")
        person.drop(camera.panel._drop, [Path(patient)])
        zoom_in()
        camera.take("loaded")

        with_torch = os.environ.pop("DOSEPREDICT_PYTHON")
        os.environ["DOSEPREDICT_PYTHON"] = sys.executable  # has no torch
        camera.predict()
        ui.logGroup.collapsed = True  # it has paths of this computer
        camera.take("error", ui.checksSection, ui.runSection)
        os.environ["DOSEPREDICT_PYTHON"] = with_torch

        person.click(ui.predictButton)
        wait_until(lambda: camera.queue.progress.step > 2 or not camera.queue.is_running, PREDICTION_S, what="some steps")
        camera.take("running", ui.checksSection, ui.runSection)
        wait_until(lambda: not camera.queue.is_running, PREDICTION_S, what="the prediction")

        person.click(ui.isodosesCheckBox)
        person.click(ui.showDvhButton)
        camera.scroll_to(ui.resultsSection)
        camera.take("review")
        person.choose(ui.washComboBox, "predicted - planned")
        camera.take("difference")
        take_measured(camera)


def take_measured(camera: Photographer) -> None:
    """The same patient's plan, and what is predicted to be measured of it; where such a model is installed."""
    from DosePredictLib import registry

    ui = camera.ui
    titles = {model.id: model.title for model in registry.available()}
    if MEASURED_MODEL not in titles:
        return
    person.click(ui.isodosesCheckBox)
    person.choose(ui.modelComboBox, titles[MEASURED_MODEL])
    settle()
    camera.take("measured-model", ui.checksSection, ui.modelSection)
    camera.predict()
    camera.scroll_to(ui.resultsSection)
    person.click(ui.showDvhButton)
    camera.take("measured")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
