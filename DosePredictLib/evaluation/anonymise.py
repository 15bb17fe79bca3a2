"""Hides whose data a report is about: names of people, numbers, dates, UIDs and files in the names of ROIs and in sentences."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from ..core import Case, Prescription, StructureSet, TabulatedDvh

Value = TypeVar("Value")

SHORTEST = 3  # characters; hiding less would garble the text
HIDDEN = "(hidden)"
PATTERNS = {
    re.compile(r"\S*\.dcm\b", re.IGNORECASE): "(file)",
    re.compile(r"\b\d+(?:\.\d+){4,}\b"): "(UID)",
    re.compile(r"\b(?:19|20)\d\d([-./]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])\b"): "(date)",
    re.compile(r"\b(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|1[0-2])[-./](?:19|20)\d\d\b"): "(date)",
}


@dataclass(frozen=True)
class Veil:
    """secrets: what must not be quoted, such as a patient's name or the name of a file; ``None`` hides nothing."""

    secrets: Collection[str] | None = None

    @cached_property
    def _secret(self) -> re.Pattern[str]:
        """Any of the secrets as a word of its own, also between underscores; longest first."""
        usable = sorted((s for s in self.secrets or () if len(s) >= SHORTEST), key=len, reverse=True)
        words = "|".join(map(re.escape, usable)) or r"(?!)"
        return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)

    def text(self, text: str) -> str:
        """The sentence or name without what must not be quoted."""
        if self.secrets is None:
            return text
        text = self._secret.sub(HIDDEN, text)
        for pattern, word in PATTERNS.items():
            text = pattern.sub(word, text)
        return text

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(self.text, texts))

    def by_name(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Values by the name of their ROI."""
        return {self.text(name): value for name, value in values.items()}

    def tables(self, tables: Iterable[TabulatedDvh]) -> tuple[TabulatedDvh, ...]:
        return tuple(replace(table, name=self.text(table.name)) for table in tables)

    def case(self, case: Case) -> Case:
        """The same case with names of ROIs that quote nothing."""
        if self.secrets is None:
            return case
        structures = tuple(replace(structure, name=self.text(structure.name)) for structure in case.structures)
        targets = tuple(replace(target, roi=self.text(target.roi)) for target in case.prescription.targets)
        names = {name: self.text(roi) for name, roi in case.names.items()}
        veiled = StructureSet(structures, case.structures.frame_of_reference)
        return replace(case, structures=veiled, prescription=Prescription(targets), names=names, label="case")
