"""What a user installs has everything the source tree has."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
pytest.importorskip("setuptools", minversion="77", reason="building a wheel needs setuptools 77")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "Testing", "docs")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder a wheel built from a copy of this tree unpacks to."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(REPOSITORY, folder / "source", ignore=LEFT_OUT)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(command, cwd=folder / "source", check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    shutil.rmtree(folder / "source")
    return folder / "installed"


def relative_files(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {file.as_posix() for file in files if not any(part.startswith(".") or part == "__pycache__" for part in file.parts)}


def test_the_wheel_has_every_file_of_the_library(installed: Path) -> None:
    wanted = {name for name in relative_files(REPOSITORY / "DosePredictLib") if not name.endswith("CMakeLists.txt")}
    assert wanted - relative_files(installed / "DosePredictLib") == set()


def test_the_wheel_has_every_resource(installed: Path) -> None:
    assert relative_files(REPOSITORY / "Resources") - relative_files(installed / "DosePredictLib" / "_resources") == set()


def test_the_wheel_puts_nothing_beside_the_library(installed: Path) -> None:
    assert [path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")] == ["DosePredictLib"]


def test_an_installed_library_finds_its_resources_and_models(installed: Path) -> None:
    code = "from DosePredictLib.resources import resource; print(resource('Icons', 'DosePredict.png').is_file(), resource())"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=installed, capture_output=True, text=True, check=True)
    found, folder = result.stdout.split(maxsplit=1)
    assert found == "True" and Path(folder.strip()) == installed / "DosePredictLib" / "_resources"


def test_slicers_layout_has_resources_beside_the_library(tmp_path: Path) -> None:
    """qt-scripted-modules/{DosePredict.py, DosePredictLib/, Resources/}, as the CMake files install it."""
    for name in ("DosePredictLib", "Resources"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from DosePredictLib.resources import resource; print(resource())"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(result.stdout.strip()) == tmp_path / "Resources"
