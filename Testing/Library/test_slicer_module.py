"""What the Slicer module may import: a fresh Slicer has none of what a prediction needs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "DosePredict"
FILES = sorted(MODULE.rglob("*.py"))
IN_SLICER = {"slicer", "qt", "ctk", "vtk", "numpy", "DosePredictLib", "DosePredictSlicer"}


def roots(nodes: list[ast.stmt]) -> set[str]:
    """First parts of the names of all modules imported by these statements; relative imports are the module's own."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_at_file_scope_only_what_a_fresh_slicer_has_is_imported(path: Path) -> None:
    outside = roots(ast.parse(path.read_text(encoding="utf-8")).body) - IN_SLICER - set(sys.stdlib_module_names)
    assert outside == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_torch_is_imported_nowhere_in_slicers_process(path: Path) -> None:
    everywhere = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.stmt)]
    assert "torch" not in roots(everywhere)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300
