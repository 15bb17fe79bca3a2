"""Colour tables of doses, in percent of the prescription, or of the maximum of the planned dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import slicer
import vtk

Color = tuple[float, float, float]

ISODOSE_PERCENT = {  # level -> red, green, blue; cold to hot, as planning systems show it
    30: (0.15, 0.25, 0.75), 50: (0.10, 0.50, 1.00), 70: (0.00, 0.80, 0.90), 80: (0.00, 0.80, 0.35), 90: (0.60, 0.90, 0.10),
    95: (1.00, 0.95, 0.00), 100: (1.00, 0.60, 0.00), 105: (1.00, 0.15, 0.00), 107: (0.85, 0.00, 0.55),
}  # fmt: skip
WASH = "Dose wash"
WASH_END = 1.10  # of the prescription
WASH_FROM = 0.10
COLORS = 256
DIVERGING = (
    (-1.0, (0.05, 0.25, 0.85)), (-0.15, (0.65, 0.80, 1.0)), (0.0, (1.0, 1.0, 1.0)), (0.15, (1.0, 0.8, 0.65)),
    (1.0, (0.8, 0.1, 0.05)),
)  # fmt: skip
ALMOST_SAME = 0.1  # of the largest difference that is shown
MEASURED = (  # one hue, as no planning system shows a dose
    (0.0, (0.02, 0.13, 0.17)), (0.35, (0.00, 0.40, 0.42)), (0.65, (0.15, 0.68, 0.58)), (0.85, (0.62, 0.90, 0.72)),
    (1.0, (0.97, 1.00, 0.88)),
)  # fmt: skip
MEASURED_PERCENT = {  # isodose levels in the same hue
    20: (0.00, 0.33, 0.36), 40: (0.00, 0.45, 0.46), 60: (0.10, 0.62, 0.55), 80: (0.45, 0.80, 0.65), 90: (0.68, 0.92, 0.75),
    95: (0.85, 0.97, 0.82), 100: (1.00, 1.00, 0.90),
}  # fmt: skip
MEASURED_DIVERGING = (
    (-1.0, (0.35, 0.10, 0.55)), (-0.15, (0.85, 0.78, 0.92)), (0.0, (1.0, 1.0, 1.0)), (0.15, (0.80, 0.92, 0.70)),
    (1.0, (0.15, 0.50, 0.10)),
)  # fmt: skip
GAMMA = ((0.0, (1.0, 1.0, 0.6)), (0.5, (1.0, 1.0, 0.6)), (0.51, (1.0, 0.6, 0.1)), (1.0, (0.8, 0.0, 0.1)))  # from 0 to 2
HEAT = ((0.0, (0.05, 0.0, 0.15)), (0.4, (0.55, 0.1, 0.5)), (0.75, (0.95, 0.45, 0.2)), (1.0, (1.0, 1.0, 0.7)))


def wash() -> Any:
    """Of a planned dose, predicted or calculated: from 0 to 110 % of the prescription."""
    points = [(percent / 100 / WASH_END, color) for percent, color in ISODOSE_PERCENT.items()]
    return _continuous(WASH, [(0.0, (0.05, 0.05, 0.35)), *points])


def measured_wash() -> Any:
    """Of a predicted measured dose: from 0 to 110 % of the maximum of the planned dose."""
    return _continuous("Measured dose wash", MEASURED)


def is_wash(table: Any) -> bool:
    """Whether a colour node is a table of planned doses; None is not."""
    return table is not None and table.GetName().startswith(WASH)


def difference() -> Any:
    """Blue where less is predicted than planned, red where more; the CT alone where they are almost the same."""
    return _diverging("Dose difference", DIVERGING)


def measured_difference() -> Any:
    """Violet where less is predicted to be measured than planned, green where more."""
    return _diverging("Measured dose difference", MEASURED_DIVERGING)


def _diverging(name: str, points: Sequence[tuple[float, Color]]) -> Any:
    """points: share of the largest difference -> colour."""
    table = _continuous(name, [((value + 1) / 2, color) for value, color in points])
    for number in range(COLORS):
        if abs(2 * number / (COLORS - 1) - 1) < ALMOST_SAME:
            table.SetOpacity(number, 0.0)
    return table


def uncertainty() -> Any:
    """Dark where all samples agree."""
    return _continuous("Dose uncertainty", HEAT)


def gamma() -> Any:
    """From 0 to 2; the CT alone where gamma is at most 1."""
    table = _continuous("Gamma", GAMMA)
    for number in range(COLORS // 2):
        table.SetOpacity(number, 0.0)
    return table


def isodoses(full_gy: float, levels: Mapping[int, Color]) -> Any:
    """One colour a level, named by the level in Gy: SlicerRT reads isodose levels from these names. full_gy: 100 %."""
    table = _table(f"Isodoses of {full_gy:g} Gy", len(levels))
    for number, (percent, color) in enumerate(levels.items()):
        table.SetColor(number, f"{percent / 100 * full_gy:g}", *color, 1.0)
    return slicer.mrmlScene.AddNode(table)


def _continuous(name: str, points: Sequence[tuple[float, Color]]) -> Any:
    """points: share of the range -> colour, linear between."""
    function = vtk.vtkColorTransferFunction()
    for share, color in points:
        function.AddRGBPoint(share, *color)
    table = _table(name, COLORS)
    for number in range(COLORS):
        share = number / (COLORS - 1)
        table.SetColor(number, f"{100 * share:.0f} %", *function.GetColor(share), 1.0)
    return slicer.mrmlScene.AddNode(table)


def _table(name: str, count: int) -> Any:
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    table.SetHideFromEditors(True)
    table.SetNumberOfColors(count)
    return table
