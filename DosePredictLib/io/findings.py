"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    severity: ERROR breaks the standard or contradicts another object, WARNING is legal and known to make trouble, NOTE could not
    be checked. keyword: of the DICOM attribute, with those of the sequences it lies in before it. source: where the rule stands.
    """

    severity: str
    keyword: str
    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.severity:<7} {self.keyword}: {self.text} [{self.source}]"
