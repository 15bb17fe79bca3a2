"""The module uses only names that Slicer has, and those newer than the oldest Slicer it supports only behind a question."""

from __future__ import annotations

import ast
from pathlib import Path

import names
import pytest

OLDEST = ("5.8", "5.10")  # the module runs in 5.10
ASKED_FOR = {"slicer.packaging": "    try:\n        from slicer.packaging import pip_ensure\n    except ImportError:"}
ONLY_PYSIDE = {"emit", "Signal", "Slot", "Property"}


def module_files() -> list[Path]:
    return sorted((names.REPOSITORY / "DosePredict").rglob("*.py"))


def test_every_name_of_slicer_qt_and_ctk_is_in_the_list_of_slicer_s_names():
    unknown = names.used() - set(names.listed())
    assert not unknown, "not in slicer_names.json; see Testing/SlicerHost/names.py"


def test_names_newer_than_the_oldest_slicer_are_asked_for_before_they_are_used():
    used = names.used()
    newer = {name for name, release in names.listed().items() if name in used and release not in OLDEST}
    for name in newer:
        question = next((asked for prefix, asked in ASKED_FOR.items() if name.startswith(prefix)), None)
        assert question, f"{name} is new in Slicer {names.listed()[name]}: guard it and name the guard here"
        using = [path.read_text("utf-8") for path in module_files() if name in set(names.in_python(path.read_text("utf-8")))]
        assert all(question in text for text in using), f"{name} is used without {question}"


@pytest.mark.parametrize("path", module_files(), ids=lambda path: path.name)
def test_nothing_that_only_pyside_has_is_used(path):
    tree = ast.parse(path.read_text("utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & ONLY_PYSIDE
    assert not used


@pytest.mark.parametrize("path", module_files(), ids=lambda path: path.name)
def test_widgets_are_made_without_keywords_which_pythonqt_does_not_take(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call) and node.keywords]
    constructed = [names.dotted(call.func) for call in calls]
    assert not [name for name in constructed if name.startswith(("qt.Q", "ctk.ctk", "slicer.qMRML"))]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("slicer.util.getNode('x')", {"slicer.util.getNode"}),
        ("from slicer.i18n import tr as _", {"slicer.i18n.tr"}),
        ("self.ui.button.connect('clicked(bool)', self.run)", {"clicked(bool)"}),
        ("numpy.slicer.util", set()),
    ],
)
def test_names_are_found_in_python(source, found):
    assert found <= set(names.in_python(source)) and (found or not set(names.in_python(source)))
