"""Configures, builds and installs the extension with Slicer's own CMake macros, without Slicer.

python Testing/Slicer/try_cmake.py SLICER CTK        clones of the two repositories; needs cmake 3.28 or newer and git

Prints the files that were installed where Slicer looks for scripted modules; exit 1 where one of the source tree is missing.
"""

# ruff: noqa: T201

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTED_MODULES = "lib/Slicer-5.12/qt-scripted-modules"
CONFIG = f"""
set(Slicer_CMAKE_DIR ${{CMAKE_CURRENT_LIST_DIR}}/slicer/CMake)
set(CTK_CMAKE_DIR ${{CMAKE_CURRENT_LIST_DIR}}/ctk/CMake)
list(PREPEND CMAKE_MODULE_PATH ${{Slicer_CMAKE_DIR}} ${{CTK_CMAKE_DIR}})
set(Slicer_USE_PYTHONQT ON)
set(Slicer_DONT_USE_EXTENSION TRUE)  # no packaging: that needs Slicer's launcher
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR {SCRIPTED_MODULES})
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR {SCRIPTED_MODULES})
set(Slicer_USE_FILE ${{CMAKE_CURRENT_LIST_DIR}}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${{Slicer_CMAKE_DIR}}/SlicerExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${{Slicer_CMAKE_DIR}}/SlicerExtensionCPack.cmake)
"""
USE = """
set(EXTENSION_NAME ${PROJECT_NAME})
set(EXTENSION_SUPERBUILD_BINARY_DIR ${CMAKE_BINARY_DIR})
set(EXTENSION_BUILD_SUBDIRECTORY ".")
include(ctkFunctionExtractOptimizedLibrary)
include(ctkMacroCompilePythonScript)
include(SlicerMacroBuildScriptedModule)
"""


def extract(clone: Path, into: Path) -> None:
    """The CMake folder of a clone's newest commit."""
    archive = subprocess.run(["git", "-C", clone, "archive", "HEAD", "CMake"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(into, filter="data")


def install(slicer: Path, ctk: Path, place: Path) -> Path:
    """Returns the folder of scripted modules in the installed tree."""
    extract(slicer, place / "slicer")
    extract(ctk, place / "ctk")
    (place / "SlicerConfig.cmake").write_text(CONFIG)
    (place / "UseSlicer.cmake").write_text(USE)
    python = [
        f"-DPYTHON_EXECUTABLE={sys.executable}",
        "-DPYTHON_LIBRARIES=unused",
        "-DPYTHONINTERP_FOUND=1",
        "-DPYTHONLIBS_FOUND=1",
    ]
    build, installed = place / "build", place / "installed"
    configure = ["cmake", "-S", REPOSITORY, "-B", build, f"-DSlicer_DIR={place}", f"-DCMAKE_INSTALL_PREFIX={installed}", *python]
    for command in (configure, ["cmake", "--build", build], ["cmake", "--install", build]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return installed / SCRIPTED_MODULES


def wanted() -> set[str]:
    """What must arrive: all of the module, the library and the resources that git knows."""
    folders = {"DosePredict/": "", "DosePredictLib/": "DosePredictLib/", "Resources/": "Resources/"}
    names = subprocess.run(["git", "-C", REPOSITORY, "ls-files", *folders], capture_output=True, text=True, check=True).stdout
    files = {name for name in names.splitlines() if not Path(name).name.startswith((".", "CMakeLists"))}
    return {folders[folder] + name.removeprefix(folder) for name in files for folder in folders if name.startswith(folder)}


def main(slicer: Path, ctk: Path) -> int:
    with tempfile.TemporaryDirectory() as place:
        home = install(slicer, ctk, Path(place))
        found = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    missing = wanted() - found
    print(*sorted(name for name in found if not name.endswith(".pyc")), sep="\n")
    for name in sorted(missing):
        print(f"MISSING: {name}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
