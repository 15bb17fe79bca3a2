"""Nothing of a patient's identity is left or printed, whether a run succeeds or fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import places, put_raw, read, written
from small_cases import doll, small_cases

REPOSITORY = Path(__file__).resolve().parents[3]
IDENTIFYING = (
    "PatientName", "PatientID", "OtherPatientIDs", "PatientBirthDate", "PatientAddress", "PatientComments", "AccessionNumber",
    "ReferringPhysicianName", "PhysiciansOfRecord", "OperatorsName", "InstitutionName", "StudyID", "StudyDescription",
    "SeriesDescription", "StationName", "StructureSetName", "RTPlanName", "RTPlanDescription", "RequestAttributesSequence",
)  # fmt: skip
NAME, NUMBER, BIRTH = "ZQXNAME", "ZQXNUMBER", "19010203"
WORD = "ZQX"


def planted(data: bytes) -> bytes:
    """The file with an unmistakable word in every text of its patient, study, series and equipment."""
    dataset = read(data)
    for keyword in IDENTIFYING[:-1]:
        dataset.add_new(keyword, "LO" if "Name" not in keyword else "PN", f"{WORD}{keyword.upper()}"[:60])
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = f"{NAME}^Jane", NUMBER, BIRTH
    return written(dataset)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patients") / f"{WORD}FOLDER" / "case"
    folder.mkdir(parents=True)
    for name, data in doll(next(small_cases(None))).files.items():
        (folder / name).write_bytes(planted(data))
    return folder


def spoil(patient: Path, folder: Path, name: str, change) -> Path:
    """A copy in which one file is changed, as bytes."""
    copy = folder / f"{WORD}FOLDER"
    copy.mkdir()
    for path in patient.iterdir():
        (copy / path.name).write_bytes(change(path.read_bytes()) if path.name.startswith(name) else path.read_bytes())
    return copy


def damaged(keyword: str, value: bytes):
    """Give an element a value that pydicom cannot convert, and would quote."""

    def change(data: bytes) -> bytes:
        dataset = read(data)
        put_raw(places(dataset, lambda element: element.keyword == keyword)[0], value)
        return written(dataset)

    return change


FAILURES = {
    "no such model": (None, ["--model", "none"]),
    "no such ROI": (None, ["--prescription", "NOWHERE=70"]),
    "a CT cut off": (("CT", lambda data: data[:-300]), []),
    "a position that is a name": (("CT", damaged("ImagePositionPatient", WORD.encode())), []),
    "a contour that is a name": (("RS", damaged("ContourData", WORD.encode())), []),
    "a ROI number that is a name": (("RS", damaged("ROINumber", WORD.encode())), []),
    "a plan that is a name": (("RP", damaged("TargetPrescriptionDose", WORD.encode())), []),
    "a birth date that is a name": (("CT", damaged("PatientBirthDate", WORD.encode())), []),
    "a size that is a name": (("CT", damaged("Rows", WORD.encode()[:2])), []),
}


def run(words: list[str], home: Path, models: Path) -> subprocess.CompletedProcess[str]:
    """A command of its own, so that all it prints and leaves is seen."""
    (home / "tmp").mkdir(parents=True)
    environment = os.environ | {
        "TMPDIR": str(home / "tmp"), "XDG_DATA_HOME": str(home / "data"), "DOSEPREDICT_MODELS": str(models),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "DosePredictLib", *words], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )


def traces(folder: Path) -> list[str]:
    """Files below a folder that hold the word, or have it in their name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if WORD in path.name or WORD.encode() in path.read_bytes()]


@pytest.mark.parametrize(("spoiling", "options"), FAILURES.values(), ids=FAILURES)
def test_inspecting_and_refusing_tell_nothing_of_the_patient(
    patient: Path, tmp_path: Path, capfd, monkeypatch, models_with_tiny: Path, spoiling, options
) -> None:
    from DosePredictLib.cli.main import main

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(models_with_tiny))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    folder = spoil(patient, tmp_path, *spoiling) if spoiling else patient
    main(["inspect", str(folder)])
    if not spoiling:
        assert main(["predict", str(folder), "--out", str(tmp_path / "out"), "--progress", "json", "--model", "tiny", *options])
    printed = "".join(capfd.readouterr())
    assert printed and WORD not in printed.replace(f"{WORD}SERIESDESCRIPTION", "") and BIRTH not in printed
    assert traces(tmp_path / "data") == [] and list((tmp_path / "tmp").iterdir()) == []


def test_a_prediction_leaves_no_name_but_in_its_dicom_files_and_its_report(
    patient: Path, tmp_path: Path, models_with_tiny: Path
) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    words = ["predict", str(patient), "--out", str(out), "--model", "tiny", "--grid", "ct", "--progress", "json", "--anonymise"]
    done = run(words, home, models_with_tiny)
    assert WORD not in done.stdout + done.stderr
    assert traces(home) == [] and list((home / "tmp").iterdir()) == []
    assert {Path(name).suffix for name in traces(out)} <= {".dcm"}, "an anonymous report names the patient"
    assert not [path.name for path in out.rglob("*") if NUMBER in path.name]


def test_the_job_and_its_process_are_named_after_nobody(patient: Path, tmp_path: Path, monkeypatch) -> None:
    from DosePredictLib.worker import launch
    from DosePredictLib.worker.protocol import JobFolder, Request

    commands: list[list[str]] = []
    monkeypatch.setattr(launch.subprocess, "Popen", lambda command, **options: commands.append(command))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    job = JobFolder.create(Request(kind="predict", paths=(str(patient),), model="tiny"))
    launch.start(job)
    assert commands and WORD not in json.dumps(commands) and WORD not in str(job.path)
