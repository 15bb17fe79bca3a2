"""The direction of imports: a package may import itself and the packages named beside it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "DosePredictLib"
FILES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "io": {"core"},
    "preprocessing": {"core"},
    "evaluation": {"core"},
    "phantom": {"core", "io"},
    "models": set(),
    "diffusion": set(),
    "samplers": {"diffusion"},
    "inference": {"core", "preprocessing", "models", "diffusion", "samplers"},
    "training": {"core", "io", "preprocessing", "models", "diffusion", "samplers", "inference", "evaluation"},
    "worker": EVERYTHING - {"cli", "training"},
    "cli": EVERYTHING,
}
MUST_NOT_IMPORT = {
    "core": {"torch", "pydicom", "SimpleITK"},
    "io": {"torch"},
    "preprocessing": {"torch", "pydicom"},
    "evaluation": {"torch", "pydicom"},
    "phantom": {"torch"},
    "models": {"pydicom", "SimpleITK"},
    "diffusion": {"pydicom", "SimpleITK"},
    "samplers": {"pydicom", "SimpleITK"},
    "inference": {"pydicom"},
    "training": {"pydicom"},
}
SLICER = {"slicer", "qt", "ctk", "vtk", "vtkmodules"}


def imported_names(path: Path) -> Iterator[str]:
    """Every module a file imports, at any depth, with relative imports resolved."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *filter(None, [node.module])])
            yield stem
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def offences(path: Path) -> list[str]:
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    found = []
    for name in imported_names(path):
        first, *rest = name.split(".")
        if first in SLICER | MUST_NOT_IMPORT.get(layer, set()):
            found.append(f"{layer} must not import {name}")
        allowed = MAY_IMPORT.get(layer, EVERYTHING) | {layer}
        if first == PACKAGE.name and rest and rest[0] in EVERYTHING - allowed:
            found.append(f"{layer} must not import {rest[0]}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    assert offences(path) == []


def test_every_package_has_its_place_in_the_contract() -> None:
    assert EVERYTHING - set(MAY_IMPORT) == set()


LIGHT = ["DosePredictLib", "DosePredictLib.registry", "DosePredictLib.worker.protocol", "DosePredictLib.cli.main"]
FREE_OF_TORCH = [*LIGHT, "DosePredictLib.core", "DosePredictLib.worker.launch", "DosePredictLib.worker.__main__"]


def modules_after(statement: str) -> set[str]:
    """Names of all modules loaded after a statement in a fresh interpreter."""
    code = f"{statement}; import sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_what_slicer_imports_loads_no_torch() -> None:
    assert "torch" not in modules_after(f"import {', '.join(FREE_OF_TORCH)}")


def test_the_protocol_and_its_launcher_need_only_the_standard_library() -> None:
    loaded = modules_after("import DosePredictLib.worker.protocol, DosePredictLib.worker.launch")
    assert loaded & {"numpy", "torch", "pydicom", "SimpleITK", "matplotlib"} == set()
