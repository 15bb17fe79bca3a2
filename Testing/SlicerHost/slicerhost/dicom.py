"""Slicer's DICOM database: `slicer.dicomDatabase` and `DICOMLib.DICOMUtils`, as far as the module uses them.

with dicom.database(folder) as database:  # open, with the files of this folder
    ...
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import qt
import slicer

from .declare import Property, Signal


class DicomDatabase(qt.QObject):
    """As ctkDICOMDatabase: asked by UID, answers with paths. Files stay where they are."""

    databaseChanged = Signal()
    isOpen = Property(bool, lambda self: True)

    def __init__(self) -> None:
        super().__init__()
        self._headers: dict[str, Any] = {}

    def insert(self, path: str, *_: Any) -> None:
        """Adds a file; one that is no DICOM is left out."""
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, OSError):
            return
        self._headers[str(path)] = header
        self.databaseChanged.emit()

    def _unique(self, keyword: str, where: str = "", value: str = "") -> tuple[str, ...]:
        headers = [one for one in self._headers.values() if not where or str(one.get(where, "")) == value]
        return tuple(dict.fromkeys(str(one.get(keyword, "")) for one in headers))

    def patients(self) -> tuple[str, ...]:
        return self._unique("PatientID")

    def studiesForPatient(self, patient: str) -> tuple[str, ...]:
        return self._unique("StudyInstanceUID", "PatientID", patient)

    def seriesForStudy(self, study: str) -> tuple[str, ...]:
        return self._unique("SeriesInstanceUID", "StudyInstanceUID", study)

    def instancesForSeries(self, series: str) -> tuple[str, ...]:
        return self._unique("SOPInstanceUID", "SeriesInstanceUID", series)

    def filesForSeries(self, series: str) -> tuple[str, ...]:
        return tuple(path for path, header in self._headers.items() if str(header.get("SeriesInstanceUID", "")) == series)

    def fileForInstance(self, instance: str) -> str:
        found = (path for path, header in self._headers.items() if str(header.get("SOPInstanceUID", "")) == instance)
        return next(found, "")

    def fileValue(self, path: str, tag: str) -> str:
        """The value of a tag, given as "0008,0060"."""
        group, element = tag.split(",")
        found = self._headers[path].get((int(group, 16), int(element, 16)))
        return "" if found is None else str(found.value)


def import_dicom(folder: str, database: Any = None, copyFiles: bool = False) -> bool:
    """DICOMUtils.importDicom: adds every file below a folder."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            (database or slicer.dicomDatabase).insert(str(path))
    return True


@contextmanager
def database(folder: str | Path | None = None) -> Iterator[DicomDatabase]:
    """slicer.dicomDatabase and DICOMLib exist while this is entered."""
    slicer.dicomDatabase = DicomDatabase()
    library, utilities = types.ModuleType("DICOMLib"), types.ModuleType("DICOMLib.DICOMUtils")
    library.DICOMUtils, utilities.importDicom = utilities, import_dicom
    sys.modules.update({"DICOMLib": library, "DICOMLib.DICOMUtils": utilities})
    if folder:
        import_dicom(str(folder))
    try:
        yield slicer.dicomDatabase
    finally:
        del slicer.dicomDatabase, sys.modules["DICOMLib"], sys.modules["DICOMLib.DICOMUtils"]
