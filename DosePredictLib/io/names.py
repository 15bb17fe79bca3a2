"""From the names physicians give to the names models know (AAPM TG-263).

A ROI is matched exactly or by a synonym, or not at all; what is merely similar is a suggestion for a person to confirm.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Literal

from ..core.errors import InputError
from ..core.structures import Structure
from ..resources import resource

How = Literal["exact", "synonym", "suggestion", "user", "none"]
SIDES = {
    "L": {"l", "lt", "left", "li", "lnk", "links", "linke", "linker", "linkes", "gauche", "izq", "izquierda", "izquierdo", "sin",
          "sx", "sinistra", "sinistro", "lewa", "lewe", "venstre"},
    "R": {"r", "rt", "right", "re", "rechts", "rechte", "rechter", "rechtes", "droite", "droit", "der", "derecha", "derecho",
          "dx", "destra", "destro", "dex", "dext", "prawa", "prawe", "hojre"},
}  # fmt: skip
GLUED_SIDE = re.compile(r"^(?:(left|right|lt|rt|l|r)(\w{3,})|(\w{3,}?)(left|right|links|rechts|lt|rt|li|re|l|r))$")
NOT_THE_ORGAN = re.compile(  # margins, rings, parts for the optimiser, differences and unions of volumes
    r"prv|ring|\bopt(?!ic)|opt\b|\beval|\bhelp|hilfs|avoid|\bexp|minus|\bsub\b|\bcrop|overlap|\d|\b[pgci]tv|[\^~+&!*]",
    re.IGNORECASE,
)
ALIKE = 0.8  # similarity from which a name is suggested


@dataclass(frozen=True)
class NameMatch:
    """What a ROI is taken for. confidence: 1 for certain, the similarity in [0, 1] for a suggestion, 0 for none."""

    roi: str
    model_name: str | None
    how: How
    confidence: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.how in ("exact", "synonym", "user")


@dataclass(frozen=True)
class NameTable:
    """(normalised name, side) -> TG-263 name; ``official`` are the TG-263 spellings, ``synonyms`` all others."""

    official: Mapping[tuple[str, str], str] = field(default_factory=dict)
    synonyms: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def look_up(self, roi: str) -> NameMatch:
        """The match of one ROI by its name alone."""
        if NOT_THE_ORGAN.search(_plain(roi)):
            return NameMatch(roi, None, "none")
        for key in _keys(roi):
            if key in self.official:
                return NameMatch(roi, self.official[key], "exact", 1.0)
            if key in self.synonyms:
                return NameMatch(roi, self.synonyms[key], "synonym", 0.95)
        return self._suggest(roi)

    def _suggest(self, roi: str) -> NameMatch:
        word, side = _keys(roi)[0]
        known = {**self.synonyms, **self.official}
        on_side = [(key[0], name) for key, name in known.items() if key[1] == side and len(key[0]) > 3]
        alike = [(SequenceMatcher(None, word, other).ratio(), name) for other, name in on_side]
        likeness, name = max(alike, default=(0.0, ""))
        return NameMatch(roi, name, "suggestion", round(likeness, 2)) if likeness >= ALIKE else NameMatch(roi, None, "none")


@cache
def load_names(folder: Path | None = None) -> NameTable:
    """The table of all JSON files in ``folder``; of Resources/StructureNames where it is None."""
    official: dict[tuple[str, str], str] = {}
    synonyms: dict[tuple[str, str], str] = {}
    for file in sorted((folder or resource("StructureNames")).glob("*.json")):
        try:
            table = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise InputError(f"The structure names in {file.name} are not valid JSON; correct the file.") from None
        for name, others in table.get("single", {}).items():
            _enter(official, synonyms, name, "", name, others)
        for name, others in table.get("paired", {}).items():
            for side in SIDES:
                _enter(official, synonyms, name, side, f"{name}_{side}", others)
    return NameTable(official, synonyms)


def match_names(
    structures: Iterable[Structure], names: Mapping[str, str] | None = None, *, table: NameTable | None = None
) -> tuple[NameMatch, ...]:
    """One match per ROI, in their order. ``names``: model name -> ROI, as the user wishes; "" for "no ROI at all".

    Empty ROIs claim no name. Where several ROIs claim one, the exact spelling has it, else none of them.
    Raises InputError for a ROI that ``names`` gives and the patient has not.
    """
    wished, table, rois = dict(names or {}), table or load_names(), list(structures)
    _check_wishes(wished, [s.name for s in rois])
    matches = [NameMatch(s.name, None, "none") if s.is_empty else table.look_up(s.name) for s in rois]
    by_user = {roi: name for name, roi in wished.items() if roi}
    matches = [_obey(match, wished, by_user) for match in matches]
    return tuple(_settle(match, matches) for match in matches)


def names_of(matches: Sequence[NameMatch]) -> dict[str, str]:
    """Model name -> ROI of all accepted matches."""
    return {match.model_name: match.roi for match in matches if match.accepted and match.model_name}


def disputes(matches: Sequence[NameMatch], structures: Iterable[Structure], table: NameTable | None = None) -> tuple[str, ...]:
    """One sentence for each model name that several ROIs claim."""
    table = table or load_names()
    claims: dict[str, list[str]] = {}
    for structure in structures:
        match = table.look_up(structure.name)
        if match.accepted and match.model_name and not structure.is_empty:
            claims.setdefault(match.model_name, []).append(structure.name)
    taken = names_of(matches)
    return tuple(
        f"{' and '.join(rois)} could all be {name}; " + (f"{taken[name]} is taken." if name in taken else "name the right one.")
        for name, rois in claims.items()
        if len(rois) > 1
    )


def _check_wishes(wished: Mapping[str, str], rois: Sequence[str]) -> None:
    for name, roi in wished.items():
        if roi and roi not in rois:
            raise InputError(f"{name} is to be the ROI {roi!r}, which the structure set has not; it has {', '.join(rois)}.")


def _obey(match: NameMatch, wished: Mapping[str, str], by_user: Mapping[str, str]) -> NameMatch:
    if match.roi in by_user:
        return NameMatch(match.roi, by_user[match.roi], "user", 1.0)
    return NameMatch(match.roi, None, "none") if match.model_name in wished else match


def _settle(match: NameMatch, matches: Sequence[NameMatch]) -> NameMatch:
    """A name claimed by several goes to the only exact one; the others are suggestions again."""
    rivals = [m for m in matches if m.accepted and m.model_name == match.model_name]
    best = [m for m in rivals if m.how in ("exact", "user")]
    if not match.accepted or len(rivals) == 1 or (len(best) == 1 and match is best[0]):
        return match
    return NameMatch(match.roi, match.model_name, "suggestion", match.confidence)


def _enter(official: dict, synonyms: dict, word: str, side: str, name: str, others: Iterable[str]) -> None:
    official[_squeeze(word), side] = name
    for other in others:
        synonyms.setdefault((_squeeze(other), side), name)


def _plain(name: str) -> str:
    """Without accents; ß is ss."""
    decomposed = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _plain(name))
    return re.findall(r"[a-z0-9]+", parted.lower())


def _squeeze(name: str) -> str:
    return "".join(_words(name))


def _keys(name: str) -> list[tuple[str, str]]:
    """What to look a name up by: (word, side), the likeliest reading first."""
    words = _words(name)
    sides = [side for side, marks in SIDES.items() for word in words if word in marks]
    if len(sides) == 1:
        rest = [word for word in words if word not in SIDES[sides[0]]]
        return [("".join(rest), sides[0]), ("".join(words), "")]
    whole = "".join(words)
    keys = [(whole, "")]
    if len(sides) == 0 and (glued := GLUED_SIDE.match(whole)):
        before, after_it, before_it, behind = glued.groups()
        keys.append((after_it or before_it, "L" if (before or behind)[0] == "l" else "R"))
    return keys
