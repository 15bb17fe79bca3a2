"""The text file that Eclipse writes for "Export DVH in Tabular Format".

    Prescribed dose [cGy]: 5000.0
    Structure: PTV 50
    Volume [cm³]: 363.6
    Relative dose [%]  Dose [cGy]  Ratio of Total Structure Volume [%]
                    0           0                                  100

Patient and plan, which stand above the first structure, are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.tabulated_dvh import TabulatedDvh

SOURCE = "Eclipse text file"
COLUMN = re.compile(r"\s*([^\[\]]+?)\s*\[([^\]]+)\]")
FIELD = re.compile(r"(?P<title>[^:\[]+?)\s*(?:\[(?P<unit>[^\]]+)\])?\s*:\s*(?P<value>.*)")
GRAY = {"Gy": 1.0, "cGy": 0.01}
TABLE = ("Dose [", "Relative dose [")


def read_eclipse_dvh(path: Path) -> tuple[TabulatedDvh, ...]:
    """Every cumulative histogram of the file, with dose in Gy or cGy; decimal points or commas.

    Raises InputError for a file that has none, or that gives dose only relative to the prescription.
    """
    blocks = list(_blocks(_decoded(path).splitlines()))
    if not blocks:
        raise InputError(f"{path.name} has no line 'Structure:'; export the DVH from Eclipse in tabular format.")
    return tuple(_histogram(lines, path.name) for lines in blocks)


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """The lines of each structure, from its name on."""
    ends = [*(n for n, line in enumerate(lines) if line.startswith("Structure:")), len(lines)]
    for start, end in pairwise(ends):
        yield [line.strip() for line in lines[start:end]]


def _histogram(lines: list[str], file: str) -> TabulatedDvh:
    name = lines[0].partition(":")[2].strip()
    head = next((n for n, line in enumerate(lines) if line.startswith(TABLE)), None)
    if head is None:
        raise InputError(f"Structure {name} in {file} has no table of dose and volume; export the DVH from Eclipse again.")
    columns = COLUMN.findall(lines[head])
    values = _numbers(lines[head + 1 :], len(columns), f"structure {name} in {file}")
    dose_column, gray = _dose_column(columns, f"Structure {name} in {file}")
    volume_column, unit = _volume_column(columns, f"Structure {name} in {file}")
    volume = values[:, volume_column]
    total = float(volume[0]) if unit == "cm³" else _volume_cc(lines[:head])
    return TabulatedDvh.cumulative(name, gray * values[:, dose_column], volume, total_cc=total, source=SOURCE)


def _dose_column(columns: list[tuple[str, str]], where: str) -> tuple[int, float]:
    """Its place, and Gy in its unit."""
    for place, (title, unit) in enumerate(columns):
        if title == "Dose" and unit in GRAY:
            return place, GRAY[unit]
    raise InputError(f"{where} has no column 'Dose [Gy]' or 'Dose [cGy]'; export the DVH with absolute dose.")


def _volume_column(columns: list[tuple[str, str]], where: str) -> tuple[int, str]:
    """Its place and unit, % or cm³."""
    for place, (title, unit) in enumerate(columns):
        if title.endswith("Structure Volume"):
            return place, "%" if unit == "%" else "cm³"
    raise InputError(f"{where} has no cumulative volume; export the DVH as a cumulative histogram.")


def _volume_cc(lines: list[str]) -> float | None:
    for line in lines:
        match = FIELD.match(line)
        if match and match["title"] == "Volume":
            return _number(match["value"])
    return None


def _numbers(lines: list[str], columns: int, where: str) -> np.ndarray:
    rows = [line.split() for line in lines if line]
    values = [[_number(cell) for cell in row] for row in rows]
    if not values or any(len(row) != columns or None in row for row in values):
        raise InputError(f"The table of {where} has a row that is not {columns} numbers; export the DVH from Eclipse again.")
    return np.array(values, dtype=float)


def _number(cell: str) -> float | None:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return None
