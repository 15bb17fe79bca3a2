"""Whose data it is: what is shown, and what an anonymous report must hide."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from DosePredictLib.io.identity import identity, secrets


def header(**values: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_the_identity_is_readable_and_leaves_out_what_is_empty() -> None:
    ct = header(PatientName="Müller^Jörg^^Dr", PatientID="0042", StudyDate="20260314")
    found = identity(ct, header(StructureSetLabel="final", PatientID="other"), plan_label="HN 70")
    assert found["Patient"] == "Müller, Jörg, Dr" and found["Patient ID"] == "0042" and found["Study date"] == "2026-03-14"
    assert found["Structure set"] == "final" and found["Plan"] == "HN 70" and len(found) == 5
    assert identity(None, header()) == {}


def test_secrets_are_names_in_whole_and_in_parts_numbers_dates_and_files_but_no_plain_words(tmp_path: Path) -> None:
    for name in ("Doe_RD.dcm", "dose", "MRN 0042"):
        (tmp_path / name).touch()
    found = secrets([tmp_path], header(PatientName="Doe^Jane", PatientID="0042", StudyDate="20260314"))
    assert {"Doe^Jane", "Doe", "Jane", "0042", "20260314", "Doe_RD.dcm", "MRN 0042"} <= found
    assert "dose" not in found and "" not in found
