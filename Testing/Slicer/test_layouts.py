"""The module finds its library and its resources where Slicer installs them, and in the source tree."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
INSTALLED_AT = {"DosePredict": ".", "DosePredictLib": "DosePredictLib", "Resources": "Resources"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """qt-scripted-modules as CMake fills it: the files that the CMake lists name, and no other."""
    spec = importlib.util.spec_from_file_location("list_files", REPOSITORY / "tools" / "list_files.py")
    lists = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lists)
    home = tmp_path_factory.mktemp("installed") / "qt-scripted-modules"
    for folder, variable, _wanted in lists.LISTS:
        cmake = (REPOSITORY / folder / "CMakeLists.txt").read_text("utf-8")
        for file in lists.listed(cmake, variable):
            target = home / INSTALLED_AT[folder] / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / folder / file, target)
    return home


def opened(module: Path) -> dict[str, object]:
    """What the module says of itself when it is opened in a Slicer of its own, far from the repository."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-P" if sys.version_info >= (3, 11) else "-B", str(HERE / "open_module.py"), str(module)]
    done = subprocess.run(command, cwd=module.parent, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, object], *, library: Path, resources: Path) -> None:
    assert Path(found["library"]) == library / "DosePredictLib" / "__init__.py"
    assert Path(found["resources"]) == resources / "Resources" / "UI" / "DosePredict.ui"
    assert "dosediff" in found["models"]
    assert "No CT is chosen" in found["why"]
    assert not found["icon"], "the icon is empty"
    assert not found["torch"]


def test_the_source_tree_as_an_additional_module_path():
    check(opened(REPOSITORY / "DosePredict" / "DosePredict.py"), library=REPOSITORY, resources=REPOSITORY)


def test_the_installed_tree(installed):
    check(opened(installed / "DosePredict.py"), library=installed, resources=installed)


def test_the_worker_runs_from_the_installed_tree(installed, worker_python):
    code = "import DosePredictLib.worker.job as job, DosePredictLib.registry as models; models.verify(models.find('dosediff')); "
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [worker_python, "-c", code + "print(job.__file__)"]
    done = subprocess.run(command, cwd=installed.parent, env=environment, capture_output=True, text=True, timeout=300)
    assert Path(done.stdout.strip()) == installed / "DosePredictLib" / "worker" / "job.py", done.stderr
