"""Writes into the CMake files which files Slicer must install: run it after adding, moving or removing one.

python tools/list_files.py            write the lists
python tools/list_files.py --check    exit 1 where a list is not the tree
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def tree(folder: str, wanted: Callable[[Path], bool]) -> list[str]:
    """Files of a folder, relative to it; hidden ones, caches and CMake files are left out."""
    root = REPOSITORY / folder
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.name != "CMakeLists.txt")
    return sorted(file.as_posix() for file in files if wanted(file) and not any(map(_is_by_product, file.parts)))


def _is_by_product(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__"


def is_python(file: Path) -> bool:
    return file.suffix == ".py"


# (folder, CMake variable, which of its files)
LISTS = (
    ("DosePredict", "MODULE_PYTHON_SCRIPTS", is_python),
    ("DosePredictLib", "MODULE_PYTHON_SCRIPTS", is_python),
    ("DosePredictLib", "MODULE_PYTHON_RESOURCES", lambda file: not is_python(file)),
    ("Resources", "RESOURCE_FILES", lambda file: True),
)


def listed(cmake: str, variable: str) -> list[str]:
    """The words of ``set(variable ...)``."""
    return _block(variable).search(cmake)[2].split()


def with_list(cmake: str, variable: str, files: list[str]) -> str:
    body = "".join(f"\n  {file}" for file in files)
    return _block(variable).sub(lambda match: f"{match[1]}{body}\n  )", cmake)


def _block(variable: str) -> re.Pattern[str]:
    return re.compile(rf"(set\({variable})\b([^)]*)\)")


def main() -> int:
    wrong = 0
    for folder, variable, wanted in LISTS:
        path = REPOSITORY / folder / "CMakeLists.txt"
        cmake, files = path.read_text(encoding="utf-8"), tree(folder, wanted)
        if listed(cmake, variable) == files:
            continue
        wrong += 1
        if "--check" not in sys.argv:
            path.write_text(with_list(cmake, variable, files), encoding="utf-8")
            print(f"{folder}/CMakeLists.txt: {variable} has {len(files)} files")
    return int(wrong > 0 and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
