"""Whose data it is: what a report shows of it, and what an anonymous one must hide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from .headers import text

SHOWN = {
    "Patient": "PatientName", "Patient ID": "PatientID", "Study date": "StudyDate", "Structure set": "StructureSetLabel",
    "Plan": "RTPlanLabel",
}  # fmt: skip
IDENTIFYING = (  # PS3.15 table E.1-1, what could be quoted in the name of a ROI or file
    "PatientName", "PatientID", "OtherPatientIDs", "PatientBirthDate", "AccessionNumber", "StudyDate", "SeriesDate", "StudyID",
    "InstitutionName", "ReferringPhysicianName", "OperatorsName", "PhysiciansOfRecord",
)  # fmt: skip
PARTS = re.compile(r"[\^=\s,]+")


def identity(*headers: Dataset | None, plan_label: str = "") -> dict[str, str]:
    """What a person reads to know whose report it is, label -> value, from the first header that says it."""
    found = {label: _first(headers, keyword) for label, keyword in SHOWN.items()} | ({"Plan": plan_label} if plan_label else {})
    if date := re.fullmatch(r"(\d{4})(\d\d)(\d\d)", found["Study date"]):
        found["Study date"] = "-".join(date.groups())
    found["Patient"] = ", ".join(filter(None, found["Patient"].split("=")[0].split("^")))
    return {label: value for label, value in found.items() if value}


def secrets(paths: Iterable[Path], *headers: Dataset | None) -> frozenset[str]:
    """All that an anonymous report must not quote: identifying values, whole and in parts, and the names of the files."""
    values = [text(header, keyword) for header in headers if header is not None for keyword in IDENTIFYING]
    return frozenset(part for value in values for part in (value, *PARTS.split(value)) if part) | frozenset(_names(paths))


def _first(headers: Iterable[Dataset | None], keyword: str) -> str:
    return next((found for header in headers if header is not None and (found := text(header, keyword))), "")


def _names(paths: Iterable[Path]) -> Iterator[str]:
    """Of files and folders named, and of all below them; not those that are plain words, such as "dose" or "patient"."""
    for path in paths:
        for found in (path, *(path.rglob("*") if path.is_dir() else ())):
            if not (found.name.isalpha() and found.name.islower()):
                yield found.name
