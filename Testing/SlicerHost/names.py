"""Which names of Slicer, Qt and CTK the module uses, and since which Slicer they exist.

`slicer_names.json` holds every name with the oldest release, of those looked at, in whose sources it occurs. A test fails on a
name that is not in it. After using a new name, write the file again from clones of the three repositories:

    python Testing/SlicerHost/names.py SLICER CTK SLICERRT
"""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
LIST = HERE / "slicer_names.json"
RELEASES = {"5.8": "v5.8.0", "5.10": "v5.10.0", "5.12": "v5.12.0"}
ROOTS = {"slicer", "qt", "ctk"}
SOURCES = ("*.h", "*.py", "*.c*")  # .cpp, .cxx
SIGNATURE = re.compile(r"\b[a-z]\w*\([\w\s:*&,<>]*\)")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
PYTHON = "Base/Python/slicer/"


def dotted(node: ast.expr) -> str:
    """`slicer.util.getNode` of the expression that says so; "" where it begins otherwise."""
    if isinstance(node, ast.Name):
        return node.id
    before = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{before}.{node.attr}" if before else ""


def in_python(source: str) -> Iterator[str]:
    """Names like `slicer.util.getNode`, and signals like `clicked(bool)`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and dotted(node).split(".")[0] in ROOTS:
            yield ".".join(dotted(node).split(".")[:3])
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOTS:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("connect", "disconnect"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def in_ui(source: str) -> Iterator[str]:
    """Classes, and properties of those that are not Qt's (Qt's are checked when the file is loaded)."""
    for widget in ElementTree.fromstring(source).iter("widget"):
        name = widget.get("class")
        module = "ctk" if name.startswith("ctk") else "slicer" if name.startswith("q") else "qt"
        yield f"{module}.{name}"
        own = () if module == "qt" else widget.findall("property")
        yield from (f"{module}.{name}.{one.get('name')}" for one in own if one.get("stdset") != "0")


def used(repository: Path = REPOSITORY) -> set[str]:
    """Every name the module uses."""
    names = {name for path in (repository / "DosePredict").rglob("*.py") for name in in_python(path.read_text("utf-8"))}
    names = {name for name in names if "__" not in name}
    return names | {name for path in (repository / "Resources").rglob("*.ui") for name in in_ui(path.read_text("utf-8"))}


def listed() -> dict[str, str]:
    """Name to oldest release."""
    return json.loads(LIST.read_text("utf-8"))


def _texts(repository: Path, commit: str) -> Iterator[tuple[str, str]]:
    archive = subprocess.run(["git", "-C", repository, "archive", commit, "--", *SOURCES], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            if member.isfile():
                yield member.name, files.extractfile(member).read().decode("utf-8", "replace")


def _parameter_type(parameter: str) -> str:
    """`vtkMRMLNode*` of `const vtkMRMLNode * node`."""
    plain = re.sub(r"\s*([*&])", r"\1", re.sub(r"\bconst\b", "", parameter)).strip()
    return re.sub(r"(?<=[\w*&])\s+\w+$", "", plain).replace("&", "").replace(" ", "")


def _signature(text: str) -> str:
    name, parameters = text[:-1].split("(", 1)
    return f"{name}({','.join(map(_parameter_type, parameters.split(',')))})"


def _words(texts: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
    """All identifiers and signatures, under ""; those of Slicer's own Python modules also under their names."""
    words: dict[str, set[str]] = {"": set()}
    for path, text in texts:
        here = {*IDENTIFIER.findall(text), *map(_signature, SIGNATURE.findall(text))}
        words[""] |= here
        if path.startswith(PYTHON):
            words.setdefault(path.removeprefix(PYTHON).split("/")[0].removesuffix(".py"), set()).update(here)
    return words


def _known(name: str, words: dict[str, set[str]], modules: set[str]) -> bool:
    if "(" in name:
        return name in words[""]
    first, *rest = name.split(".")[1:]
    if first == "modules":
        return modules.issuperset(rest)
    return first in words[""] | set(words) and words.get(first, words[""]).issuperset(rest)


def write(slicer: Path, ctk: Path, slicerrt: Path) -> list[str]:
    """Writes the list from the sources. Returns the names that no release has."""
    names, since = used(), {}
    extension = _words(_texts(slicerrt, "HEAD"))[""]
    for release, tag in RELEASES.items():
        recipe = ["git", "-C", slicer, "show", f"{tag}:SuperBuild/External_CTK.cmake"]
        toolkit = COMMIT.search(subprocess.run(recipe, capture_output=True, text=True, check=True).stdout).group()
        words = _words(_texts(slicer, tag))
        words[""] |= _words(_texts(ctk, toolkit))[""] | extension
        modules = {word.lower() for word in words[""]}
        for name in names - set(since):
            if _known(name, words, modules):
                since[name] = release
    LIST.write_text(json.dumps(dict(sorted(since.items())), indent=0) + "\n", "utf-8")
    return sorted(names - set(since))


if __name__ == "__main__":
    missing = write(*map(Path, sys.argv[1:]))
    sys.exit(f"in the sources of no release: {', '.join(missing)}" if missing else 0)
