"""Reading DICOM data sets so that what is damaged is said, and what is missing is missed at once."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as PydicomSequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..core.errors import DicomError

CODE_AT_128 = b"DICM"
BARE_STARTS = (b"\x02\x00", b"\x08\x00")  # group 0002 or 0008, little endian: a file without preamble (Monaco, CMS)
SHORTEST = 132  # bytes of preamble and code; no data set is shorter
LARGE = 1 << 16  # bytes
PIXEL_DATA, SIGNATURES = 0x7FE00010, 0xFFFA0000  # nothing but signatures and padding may follow the pixels (PS3.3 C.12.1.1.3)


class _WatchedFile(io.BufferedReader):
    """A file that notices when more is asked of it than it holds; pydicom passes over that in silence."""

    ran_short = False

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size or 0
        data = super().read(min(wanted, self._left()) if wanted > LARGE else size)
        if wanted > 0 and len(data) < wanted and (wanted > 8 or any(data)):  # 8 bytes: the next tag, absent at the end
            self.ran_short = True
        return data

    def _left(self) -> int:
        """Python would make room for all that is asked for: gigabytes, where the length of an element is damaged."""
        return max(0, os.fstat(self.fileno()).st_size - self.tell())


def looks_like_dicom(path: Path) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without preamble."""
    try:
        with path.open("rb") as file:
            start = file.read(SHORTEST)
    except OSError:
        return False
    return len(start) == SHORTEST and (start[128:] == CODE_AT_128 or start[:2] in BARE_STARTS)


def read_header(path: Path, keywords: Sequence[str] | None = None) -> Dataset:
    """The data set up to its pixels; only ``keywords`` where given. Raises DicomError as read_whole does."""
    return _read(path, stop_before_pixels=True, specific_tags=list(keywords) if keywords else None)


def read_whole(path: Path) -> Dataset:
    """The whole data set. Raises DicomError for a file that is damaged or ends too early."""
    return _read(path)


def _read(path: Path, **options: Any) -> Dataset:
    with _WatchedFile(io.FileIO(path)) as file:
        try:
            dataset = pydicom.dcmread(file, force=True, **options)
        except Exception as error:  # pydicom has no common base for what a damaged file can cause
            raise DicomError(f"{path.name} cannot be read as DICOM ({type(error).__name__}); export it again.") from None
        if file.ran_short:
            raise DicomError(f"{path.name} is truncated: it ends in the middle of a data element; export or copy it again.")
    tags = [int(tag) for tag in dataset.keys()]  # noqa: SIM118, in the order of the file
    if PIXEL_DATA in tags and any(tag < SIGNATURES for tag in tags[tags.index(PIXEL_DATA) + 1 :]):
        raise DicomError(f"{path.name} is damaged: its pixels are followed by elements that cannot be there; export it again.")
    _name_transfer_syntax(dataset)
    return dataset


def _name_transfer_syntax(dataset: FileDataset) -> None:
    """Where group 2 does not say it (Monaco): what pydicom found the bytes to be; pixels are decoded by it."""
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        implicit, little = dataset.is_implicit_VR, dataset.is_little_endian
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def value(dataset: Dataset, keyword: str) -> Any:
    """What an element holds, None where it is absent. Raises DicomError where pydicom cannot make sense of its bytes."""
    try:
        return dataset.get(keyword, None)
    except Exception as error:  # values are converted at first use, and fail in many ways
        file = Path(str(getattr(dataset, "filename", None) or "a DICOM file")).name
        raise DicomError(f"The element {keyword} of {file} is damaged ({type(error).__name__}); export it again.") from None


def decimal(dataset: Dataset, keyword: str) -> float | None:
    """The value as a number, None where it is absent, empty or not a number."""
    try:
        return float(value(dataset, keyword))
    except (TypeError, ValueError):
        return None


def text(dataset: Dataset, keyword: str) -> str:
    """The value as text, empty where it is absent."""
    return str(value(dataset, keyword) or "").strip()


def integer(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """The value as a whole number, ``default`` where it is absent, empty or not a number."""
    try:
        return int(value(dataset, keyword))
    except (TypeError, ValueError):
        return default


def numbers(dataset: Dataset, keyword: str, count: int | None, file: str) -> np.ndarray:
    """The finite values of an element, float64, (count,). Raises DicomError where they are missing or of another number."""
    try:
        values = np.atleast_1d(np.array(value(dataset, keyword), dtype=float))
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if not np.isfinite(values).all() or (count is not None and len(values) != count):
        raise DicomError(f"{file} has no usable {keyword} ({count or 'some'} finite numbers expected); export it again.")
    return values


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence, none where it is absent or empty."""
    found = value(dataset, keyword) or ()
    return found if isinstance(found, PydicomSequence) else ()


def newest_first(dataset: Dataset) -> str:
    """A key that sorts objects by the date and time of what they describe."""
    for what in ("StructureSet", "RTPlan", "InstanceCreation", "Content", "Series", "Study"):
        if date := text(dataset, f"{what}Date"):
            return date + text(dataset, f"{what}Time")
    return ""
