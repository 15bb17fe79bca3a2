"""What can only be found out by the background process ends in one sentence on the panel, in the panel's own words."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
from slicerhost import person, wait_until

LIBRARY = Path(__file__).resolve().parents[2] / "DosePredictLib"
HEARD_IN_THE_PANEL = ("core", "io", "preprocessing", "inference", "worker")
COMMAND_LINE_ONLY = ("comparison.py", "rtdose_check.py")
OPTION = re.compile(r"(?<!\S)--[a-z]")


@pytest.fixture
def panel(module: object, worker: None, untrained: Path, patient_folder: Path) -> Iterator[Any]:
    """The panel with the synthetic patient and the quick model chosen."""
    slicer.util.selectModule("DosePredict")
    widget = slicer.modules.dosepredict.widgetRepresentation().self()
    widget.initializeParameterNode()
    widget.panel.load([patient_folder])
    widget.panel.parameters.model = "tiny"
    widget.panel.refresh()
    yield widget.panel
    widget.logic.queue.end_now()


def failure_of(panel: Any) -> str:
    """What the panel says after a prediction that could not be; the scene must be as before."""
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    person.click(panel.ui.predictButton)
    wait_until(lambda: not panel.queue.is_running, 120, what="the end")
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert panel.ui.predictButton.isEnabled()
    return panel.ui.failureLabel.text


@pytest.mark.skipif(sys.platform == "darwin", reason="has Apple graphics")
def test_a_graphics_card_that_is_not_there(panel):
    panel.parameters.device = "mps"
    assert "no usable device" in failure_of(panel)
    assert "choose another device under Advanced" in panel.ui.failureLabel.text


def test_weights_that_were_damaged(panel, untrained):
    weights = untrained / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert "damaged" in failure_of(panel)
    assert "install the model again" in panel.ui.failureLabel.text


def spoken(path: Path) -> Iterator[str]:
    """The strings of a source file with NAME where an f-string has a value; docstrings are left out."""
    tree = ast.parse(path.read_text("utf-8"))
    parts = [part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values]
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)} | {id(part) for part in parts}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "NAME" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def test_no_sentence_on_the_panel_names_an_option_of_the_command_line(module):
    from DosePredictSlicer.wording import for_panel

    files = [path for folder in HEARD_IN_THE_PANEL for path in sorted((LIBRARY / folder).rglob("*.py"))]
    sentences = [(path.name, text) for path in files if path.name not in COMMAND_LINE_ONLY for text in spoken(path)]
    assert [(file, text) for file, text in sentences if OPTION.search(for_panel(text))] == []
