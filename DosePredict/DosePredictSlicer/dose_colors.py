"""Colour tables of a dose, in percent of the prescription."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

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
ALMOST_SAME = 0.1  # of the largest difference that is shown, which is 20 % of the prescription
HEAT = ((0.0, (0.05, 0.0, 0.15)), (0.4, (0.55, 0.1, 0.5)), (0.75, (0.95, 0.45, 0.2)), (1.0, (1.0, 1.0, 0.7)))


def wash() -> Any:
    """A continuous table from 0 to 110 % of the prescription."""
    points = [(percent / 100 / WASH_END, color) for percent, color in ISODOSE_PERCENT.items()]
    return _continuous(WASH, [(0.0, (0.05, 0.05, 0.35)), *points])


def is_wash(table: Any) -> bool:
    """Whether a colour node is one of these tables; None is not."""
    return table is not None and table.GetName().startswith(WASH)


def difference() -> Any:
    """Blue where less is predicted than planned, red where more; the CT alone where they are almost the same."""
    table = _continuous("Dose difference", [((value + 1) / 2, color) for value, color in DIVERGING])
    for number in range(COLORS):
        if abs(2 * number / (COLORS - 1) - 1) < ALMOST_SAME:
            table.SetOpacity(number, 0.0)
    return table


def uncertainty() -> Any:
    """Dark where all samples agree."""
    return _continuous("Dose uncertainty", list(HEAT))


def isodoses(prescription_gy: float) -> Any:
    """One colour a level, named by the level in Gy: SlicerRT reads isodose levels from these names."""
    table = _table(f"Isodoses of {prescription_gy:g} Gy", len(ISODOSE_PERCENT))
    for number, (percent, color) in enumerate(ISODOSE_PERCENT.items()):
        table.SetColor(number, f"{percent / 100 * prescription_gy:g}", *color, 1.0)
    return slicer.mrmlScene.AddNode(table)


def _continuous(name: str, points: list[tuple[float, tuple[float, float, float]]]) -> Any:
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
