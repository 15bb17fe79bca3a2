"""All structures of a patient as occupancy, each on its own part of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core import GeometryError, Grid, StructureSet, Volume
from .contours import rasterise


@dataclass(frozen=True, eq=False)
class Rasters:
    """By ROI name, each structure's occupancy on the grid, cropped to its box; and what is to be said about them."""

    occupancies: dict[str, Volume]
    notes: tuple[str, ...]


def rasterise_all(structures: StructureSet, grid: Grid, *, before_each: Callable[[], None] = lambda: None) -> Rasters:
    """Empty structures are left out, and those drawn across the slices. before_each: called before each structure."""
    occupancies, notes = {}, []
    for structure in structures:
        before_each()
        try:
            raster = rasterise(structure, grid)
        except GeometryError as error:
            notes.append(f"{structure.name} is not evaluated: {error}")
            continue
        notes += [f"{structure.name}: {note}" for note in raster.notes]
        if not raster.is_empty:
            occupancies[structure.name] = raster.volume
    return Rasters(occupancies, tuple(notes))
