"""Whether an RT Dose of any vendor is what the standard says and fits the objects it belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from ..core.errors import DicomError, InputError
from .findings import ERROR, NOTE, WARNING, Finding
from .headers import read_header, read_whole, text
from .legal_values import value_findings
from .rtdose_attributes import attribute_findings
from .rtdose_consistency import consistency_findings
from .rtdose_subject import Subject
from .scan import KINDS, RTDOSE, RTPLAN, RTSTRUCT, DicomFile, Scan, scan

__all__ = ["ERROR", "NOTE", "WARNING", "Companions", "Finding", "check_rtdose", "companions"]


@dataclass(frozen=True, eq=False)
class Companions:
    """What doses are held against. ct: the slices of each series; plans: headers by SOPInstanceUID."""

    ct: Sequence[tuple[DicomFile, ...]] = ()
    rtstruct: Dataset | None = None
    plans: dict[str, Dataset] = field(default_factory=dict)

    def series_for(self, dose: Dataset) -> tuple[DicomFile, ...]:
        """The CT series in the dose's frame of reference; else the longest, so that the difference is noticed."""
        frame = text(dose, "FrameOfReferenceUID")
        return max(self.ct, key=lambda slices: (slices[0].frame_of_reference == frame, len(slices)), default=())


def companions(ct: Path | None = None, rtstruct: Path | None = None, plans: Iterable[Path] = ()) -> Companions:
    """Read what lies beside the doses: a folder with the CT (and perhaps plans), a structure set, plans.

    Raises InputError where the folder has no CT, DicomError for a file that is damaged or no structure set.
    """
    found = scan(ct) if ct else Scan(())
    series = tuple(found.ct_series().values())
    if ct and not series:
        raise InputError(f"The folder {ct.name} has no CT; name the folder of the planning CT.")
    headers = [read_header(path) for path in (*plans, *(file.path for file in found.of(RTPLAN)))]
    return Companions(series, _structure_set(rtstruct), {text(plan, "SOPInstanceUID"): plan for plan in headers})


def check_rtdose(path: Path, beside: Companions | None = None) -> list[Finding]:
    """All findings of one file, errors first; empty where there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom warns of is found here too, without the values
        try:
            found = _findings(read_whole(path), path, beside or Companions())
        except DicomError as error:
            return [Finding(ERROR, "file", str(error), "PS3.10")]
    return sorted(found, key=lambda finding: (ERROR, WARNING, NOTE).index(finding.severity))


def kind_of(dataset: Dataset) -> str:
    return KINDS.get(text(dataset, "SOPClassUID"), text(dataset, "Modality"))


def _findings(dose: Dataset, path: Path, beside: Companions) -> list[Finding]:
    if kind_of(dose) != RTDOSE:
        return [Finding(ERROR, "SOPClassUID", "the file is not an RT Dose", "PS3.4 B.5")]
    values = list(value_findings(dose))  # first: they look at what is written before it is interpreted
    subject = Subject(dose, path.name, beside.series_for(dose), beside.rtstruct, beside.plans)
    found = [*values, *attribute_findings(dose), *consistency_findings(subject)]
    if not beside.ct:
        found.append(Finding(NOTE, "FrameOfReferenceUID", "not compared with the CT: name its folder with --ct", "PS3.3 C.7.4.1"))
    return found


def _structure_set(path: Path | None) -> Dataset | None:
    if path is None:
        return None
    header = read_whole(path)
    if kind_of(header) != RTSTRUCT:
        raise DicomError(f"{path.name} is not an RT Structure Set; name another file with --rtstruct.")
    return header
