"""python open_module.py DosePredict.py: opens the module in a fresh stand-in and prints as JSON what it found, and where."""

# ruff: noqa: E402, T201 - the stand-in first, then what it makes possible

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SlicerHost"))

import slicerhost

slicerhost.start()
slicerhost.load_module(sys.argv[1])

import slicer

slicer.util.selectModule("DosePredict")

import DosePredictLib
from DosePredictLib import registry
from DosePredictLib.resources import resource

panel = slicer.modules.dosepredict.widgetRepresentation().self().panel
found = {
    "library": DosePredictLib.__file__,
    "panel": sys.modules["DosePredictSlicer.panel"].__file__,
    "resources": str(resource("UI", "DosePredict.ui")),
    "models": [model.id for model in registry.available()],
    "why": panel.ui.predictButton.toolTip,
    "icon": slicer.modules.dosepredict.icon.isNull(),
    "torch": "torch" in sys.modules,
}
print(json.dumps(found))
