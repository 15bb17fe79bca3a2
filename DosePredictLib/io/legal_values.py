"""Numbers, UIDs and codes as they stand in a file: of legal length and legal characters (PS3.5 section 6.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from .findings import ERROR, Finding
from .headers import items

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LEGAL = {  # value representation: longest, what it looks like, in words
    "DS": (16, NUMBER, "decimal number"),
    "IS": (12, re.compile(r"[+-]?\d+"), "whole number"),
    "UI": (64, re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*"), "UID"),
    "CS": (16, re.compile(r"[A-Z0-9_ ]*"), "code of capitals, digits and underscores"),
}


def value_findings(dataset: Dataset, path: str = "") -> Iterator[Finding]:
    """One finding for each element with a value that is too long or of other characters. Call it before anything is read."""
    for tag in list(dataset.keys()):
        keyword = keyword_for_tag(tag) or str(tag)
        try:
            kind, values = _as_written(dataset, tag)
        except Exception as error:  # pydicom interprets here, and fails in many ways
            yield Finding(ERROR, path + keyword, f"is damaged ({type(error).__name__})", "PS3.5 7.1")
            continue
        if kind == "SQ":
            for number, item in enumerate(items(dataset, keyword), 1):
                yield from value_findings(item, f"{path}{keyword}[{number}].")
        elif fault := next(filter(None, (_fault(kind, one) for one in values)), ""):
            yield Finding(ERROR, path + keyword, fault, "PS3.5 6.2")


def _as_written(dataset: Dataset, tag) -> tuple[str, list[str]]:
    """Value representation and values, not yet interpreted."""
    element = dataset.get_item(tag)
    kind = str(element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"))
    if kind not in LEGAL:
        return kind, []
    if isinstance(element, RawDataElement):
        return kind, (element.value or b"").decode("ascii", "replace").split("\\")
    values = element.value if element.VM > 1 else [element.value]
    return kind, [getattr(one, "original_string", str(one)) for one in values if one is not None]


def _fault(kind: str, written: str) -> str:
    longest, pattern, words = LEGAL[kind]
    bare = written.strip(" \0")
    if len(bare) > longest:
        return f"has a value of {len(bare)} characters; {kind} has {longest} at most"
    return f"has a value that is no {words}" if bare and not pattern.fullmatch(bare) else ""
