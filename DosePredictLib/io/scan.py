"""Finding DICOM objects in folders, by content and never by file name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from ..core.errors import DicomError, InputError
from .headers import items, looks_like_dicom, read_header, text, value

CT, RTSTRUCT, RTPLAN, RTDOSE, ENHANCED_CT = "CT", "RTSTRUCT", "RTPLAN", "RTDOSE", "ENHANCED CT"
KINDS = {  # PS3.4 B.5, PS3.6 annex A
    "1.2.840.10008.5.1.4.1.1.2": CT,
    "1.2.840.10008.5.1.4.1.1.2.1": ENHANCED_CT,
    "1.2.840.10008.5.1.4.1.1.481.2": RTDOSE,
    "1.2.840.10008.5.1.4.1.1.481.3": RTSTRUCT,
    "1.2.840.10008.5.1.4.1.1.481.5": RTPLAN,
    "1.2.840.10008.5.1.4.1.1.481.8": RTPLAN,  # RT Ion Plan
}
KEYWORDS = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription",
    "BitsAllocated", "BitsStored", "PixelRepresentation",
    "SeriesNumber", "InstanceNumber", "FrameOfReferenceUID", "PatientPosition", "Rows", "Columns", "NumberOfFrames",
    "PixelSpacing", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept",
    "InstanceCreationDate", "InstanceCreationTime", "StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "ContentDate",
    "ContentTime", "StructureSetLabel", "StructureSetDate", "StructureSetTime", "ReferencedFrameOfReferenceSequence",
    "RTPlanLabel", "RTPlanDate", "RTPlanTime", "ReferencedStructureSetSequence", "ReferencedRTPlanSequence", "DoseUnits",
    "DoseType", "DoseSummationType",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class DicomFile:
    """One file and the part of its header that sorting needs."""

    path: Path
    kind: str
    header: Dataset

    @property
    def uid(self) -> str:
        return text(self.header, "SOPInstanceUID")

    @property
    def series_uid(self) -> str:
        return text(self.header, "SeriesInstanceUID")

    @property
    def frame_of_reference(self) -> str:
        return text(self.header, "FrameOfReferenceUID")

    def refers_to(self, sequence: str) -> tuple[str, ...]:
        """ReferencedSOPInstanceUID of every item of ``sequence``."""
        return tuple(text(item, "ReferencedSOPInstanceUID") for item in items(self.header, sequence))


@dataclass(frozen=True, eq=False)
class Scan:
    """The DICOM objects found, one of each SOP instance, and the names of all other files."""

    files: tuple[DicomFile, ...]
    not_dicom: tuple[str, ...] = ()  # base names
    copies: int = 0
    unreadable: tuple[str, ...] = ()  # a sentence for each file that should be DICOM and is damaged

    def of(self, kind: str) -> tuple[DicomFile, ...]:
        return tuple(file for file in self.files if file.kind == kind)

    def ct_series(self) -> dict[str, tuple[DicomFile, ...]]:
        """SeriesInstanceUID -> slices, localizers left out."""
        series: dict[str, tuple[DicomFile, ...]] = {}
        for file in self.of(CT):
            if "LOCALIZER" not in (text(file.header, "ImageType")):
                series[file.series_uid] = (*series.get(file.series_uid, ()), file)
        return series


def scan(paths: Path | str | Iterable[Path | str]) -> Scan:
    """Search folders, with all below them, and files; any names.

    Files that are not DICOM are named and passed over, copies of one SOP instance are taken once.
    Raises InputError for a path that does not exist.
    """
    found: dict[str, DicomFile] = {}
    not_dicom: list[str] = []
    unreadable: list[str] = []
    copies = 0
    for path in _files_below(paths):
        if not looks_like_dicom(path):
            not_dicom.append(path.name)
            continue
        try:
            file = _classify(path)
        except DicomError as error:
            unreadable.append(str(error))
            continue
        copies += file.uid in found
        found.setdefault(file.uid or str(path), file)
    return Scan(tuple(found.values()), tuple(not_dicom), copies, tuple(unreadable))


def _classify(path: Path) -> DicomFile:
    header = read_header(path, KEYWORDS)
    for keyword in header.dir():
        value(header, keyword)  # what is damaged shows here, with the name of its file
    modality = text(header, "Modality")
    if not modality and not text(header, "SOPClassUID"):
        raise DicomError(f"{path.name} has neither SOPClassUID nor Modality; export it again, or take it out of the folder.")
    return DicomFile(path, KINDS.get(text(header, "SOPClassUID"), modality or "OTHER"), header)


def _files_below(paths: Path | str | Iterable[Path | str]) -> Iterator[Path]:
    given: Sequence[Path | str] = [paths] if isinstance(paths, (str, Path)) else list(paths)
    seen: set[Path] = set()
    for path in map(Path, given):
        if not path.exists():
            raise InputError(f"{path.name} does not exist; give a folder or files with CT and RTSTRUCT.")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file not in seen:
                seen.add(file)
                yield file
