"""What a report is made of, before it is laid out as a page or as PDF: cards and tables of plain text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

GOOD, LOOK, STOP = "good", "look", "stop"  # of cards and cells; words and signs say the same as their colours


@dataclass(frozen=True)
class Card:
    """One thing to know before looking at anything else."""

    heading: str
    title: str
    lines: tuple[str, ...] = ()
    kind: str = GOOD


@dataclass(frozen=True)
class Cell:
    """below: smaller lines under the text. kind: empty, or one of GOOD, LOOK, STOP."""

    text: str
    below: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """left: columns of words, set to the left; numbers stand to the right."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left: frozenset[int] = frozenset({0})


def number(value: float | None, *, sign: bool = False, digits: int = 1) -> str:
    """A number as it is shown; a dash for none, and a real minus sign."""
    if value is None or not math.isfinite(value):
        return "–"
    rounded = round(value, digits) + 0.0  # no negative zero
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}".replace("-", "−")


def count(amount: int, noun: str) -> str:
    """ "1 warning", "2 warnings"."""
    return f"{amount} {noun}{'' if amount == 1 else 's'}"


def finite(value: Any) -> Any:
    """What JSON can hold: it knows no NaN, null instead."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if math.isfinite(value) else None
    return value
