"""What all tests share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from DosePredictLib.core import Case

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "Testing"))  # for tiny_model
if "PYTEST_XDIST_WORKER" in os.environ:  # several share the processors, and PyTorch's threads would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; tests that need it skip where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the reference data (../shared/data) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def phantom_case() -> Case:
    """The synthetic patient with its planned dose, coarse."""
    from DosePredictLib.phantom import COARSE_MM, make_phantom

    return make_phantom(spacing_mm=COARSE_MM)


@pytest.fixture(scope="session")
def phantom_folder(phantom_case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same patient as DICOM."""
    from DosePredictLib.phantom.dicom import write_case

    folder = tmp_path_factory.mktemp("phantom") / "case"
    write_case(folder, phantom_case, salt="tests")
    return folder


@pytest.fixture(scope="session")
def models_with_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, for DOSEPREDICT_MODELS, with one named "tiny": DoseDiff at its smallest, untrained."""
    import tiny_model

    folder = tmp_path_factory.mktemp("models")
    tiny_model.install(folder)
    return folder
