"""What holds for every file: listed for Slicer, short enough to read, free of the machine it was written on."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION, LONGEST_FILE = 60, 400
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".html", ".svg", ".ui", ".css", ".cfg", ""}
PRIVATE = ("/wo" + "rk/", "/tm" + "p/w", "/ro" + "ot/", "/ho" + "me/")  # in two parts, or this file would be found


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("this is not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def load_tool(name: str):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool("list_files")


@pytest.mark.parametrize(("folder", "variable", "wanted"), TOOL.LISTS, ids=[f"{f}-{v}" for f, v, _ in TOOL.LISTS])
def test_cmake_installs_exactly_the_files_there_are(folder, variable, wanted) -> None:
    cmake = (REPOSITORY / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    assert TOOL.listed(cmake, variable) == TOOL.tree(folder, wanted), "run: python tools/list_files.py"


def test_a_forgotten_file_is_noticed() -> None:
    cmake = "set(SCRIPTS\n  a.py\n  c.py\n  )\n"
    assert TOOL.listed(cmake, "SCRIPTS") == ["a.py", "c.py"]
    assert TOOL.listed(TOOL.with_list(cmake, "SCRIPTS", ["a.py", "b.py"]), "SCRIPTS") == ["a.py", "b.py"]


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in tracked_files() if path.suffix in TEXT}
    found = {path.relative_to(REPOSITORY).as_posix(): word for path, text in texts.items() for word in PRIVATE if word in text}
    assert found == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                long.append(f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}")
    assert long == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert [path.name for path, length in lengths.items() if length > LONGEST_FILE] == []


def test_all_code_is_python_3_10() -> None:
    for path in python_files():
        ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 10))
