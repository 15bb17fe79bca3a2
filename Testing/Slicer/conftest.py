"""Tests of the Slicer module, on the stand-in for Slicer (Testing/SlicerHost). Without slicer-core only its names are checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SlicerHost"))

import slicerhost

if TYPE_CHECKING:
    from DosePredictLib.core import Case, QaCase
    from DosePredictLib.worker.protocol import Request

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "DosePredict" / "DosePredict.py"
WITHOUT_SLICER = {"test_names.py"}


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """These import slicer, qt and vtk."""
    needs_slicer = collection_path.name.startswith("test_") and collection_path.name not in WITHOUT_SLICER
    return True if slicerhost.MISSING and needs_slicer else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if slicerhost.MISSING:
        terminalreporter.write_line(
            f"The module itself was not tested: this Python has no {' and no '.join(slicerhost.MISSING)}."
        )


@pytest.fixture(scope="session")
def application() -> object:
    """slicer.app, running, with its window."""
    return slicerhost.start()


@pytest.fixture(scope="session")
def module(application: object) -> object:
    """The loaded module DosePredict."""
    return slicerhost.load_module(MODULE)


@pytest.fixture(autouse=True)
def faults(request: pytest.FixtureRequest) -> Iterator[slicerhost.Faults | None]:
    """Fails a test during which a slot, a timer or a VTK observer raised; starts each with an empty scene."""
    if request.path.name in WITHOUT_SLICER:
        yield None
        return
    request.getfixturevalue("application")
    import slicer

    slicer.mrmlScene.Clear(0)
    with slicerhost.Faults() as heard:
        yield heard
    assert not heard.texts, "raised in a slot, timer or observer:\n" + "\n".join(heard.texts)


@pytest.fixture(scope="session")
def patient_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic patient as DICOM, coarse."""
    from DosePredictLib.phantom import COARSE_MM, write_phantom

    folder = tmp_path_factory.mktemp("patient") / "patient"
    write_phantom(folder, spacing_mm=COARSE_MM)
    return folder


@pytest.fixture
def patient(module: object, patient_folder: Path) -> object:
    """The synthetic patient in the scene, as DosePredictSlicer.folder_loader.Loaded."""
    from DosePredictSlicer.folder_loader import load_folder

    return load_folder([patient_folder])


@pytest.fixture(scope="session")
def worker_python() -> str:
    """A Python with torch for the background process, as PythonSlicer is in Slicer; DOSEPREDICT_PYTHON names another one."""
    here = REPOSITORY / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    python = os.environ.get("DOSEPREDICT_PYTHON") or (str(here) if here.exists() else sys.executable)
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode:
        pytest.skip("no Python with torch for the background process; name one by DOSEPREDICT_PYTHON")
    return python


@pytest.fixture
def worker(worker_python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions run in a real background process."""
    monkeypatch.setenv("DOSEPREDICT_PYTHON", worker_python)


@pytest.fixture
def stand_in(worker_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """stand_in("die"): the background process behaves as Testing/Library/worker/stand_in.py says, without a model."""
    script = REPOSITORY / "Testing" / "Library" / "worker" / "stand_in.py"

    def behave(behaviour: str) -> None:
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\n"{worker_python}" "{script}" {behaviour} "$3"\n')  # no exec: a launcher and its child
        python.chmod(0o700)
        monkeypatch.setenv("DOSEPREDICT_PYTHON", str(python))

    return behave


@pytest.fixture(scope="session")
def finished(patient_folder: Path, worker_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a real prediction by a shipped model, two samples, on the synthetic patient.

    DOSEPREDICT_FINISHED names one that was kept, for quick work on the tests that only look at it.
    """
    from DosePredictLib.io.case import load_case
    from DosePredictLib.worker.protocol import Request

    if kept := os.environ.get("DOSEPREDICT_FINISHED"):
        return Path(kept)
    request = Request(kind="predict", paths=("input",), model="dosediff", samples=2, steps=1, outside_domain=True)
    return output_of(request, load_case(patient_folder).case, worker_python, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def finished_measured(
    patient_folder: Path, worker_python: str, untrained_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same of a measured dose by an untrained model; DOSEPREDICT_FINISHED_MEASURED names one that was kept."""
    from DosePredictLib.core import QaCase
    from DosePredictLib.io.case import load_case
    from DosePredictLib.worker.protocol import Request

    if kept := os.environ.get("DOSEPREDICT_FINISHED_MEASURED"):
        return Path(kept)
    case = load_case(patient_folder).case
    plan = QaCase(case.reference, case.ct, case.structures, case.names)
    request = Request(kind="predict", paths=("input",), model="tiny_measured", samples=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOSEPREDICT_MODELS", str(untrained_models))
        return output_of(request, plan, worker_python, tmp_path_factory.mktemp("measured"))


def output_of(request: Request, case: Case | QaCase, python: str, folder: Path) -> Path:
    """What a real worker makes of a case, kept in a folder."""
    from DosePredictLib.io.scene_case import write_scene_case
    from DosePredictLib.worker import launch
    from DosePredictLib.worker.protocol import JobFolder

    job = JobFolder.create(request)
    try:
        write_scene_case(job.input, case)
        outcome = launch.follow(job, launch.start(job, python=python), lambda event: None)
        assert outcome.state == "done", outcome.reason + job.log.read_text()
        return Path(shutil.copytree(job.output, folder / "output"))
    finally:
        job.remove()


@pytest.fixture(scope="session")
def untrained_models(worker_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick models of Testing/tiny_model.py, as a catalogue."""
    models, testing = tmp_path_factory.mktemp("models"), REPOSITORY / "Testing"
    paths = os.pathsep.join(map(str, (REPOSITORY, testing)))
    subprocess.run([worker_python, testing / "tiny_model.py", models], check=True, env={**os.environ, "PYTHONPATH": paths})
    return models


@pytest.fixture
def untrained(untrained_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """They are installed for one test; returns the folder of "tiny"."""
    models = Path(shutil.copytree(untrained_models, tmp_path / "models"))
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models))
    return models / "tiny"
