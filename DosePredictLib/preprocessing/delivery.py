"""What simple fields can deliver to a patient: dose at sampled points as a linear map of fluence, and what each beamlet meets.

A map of a beam is what it looks like from the source, one pixel a beamlet: rows along the patient, columns across the field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ..core import TARGET_SLOTS, Grid, Recipe, Volume
from .beams import BEAMLET_MM, Beam, beams_on, opened, voxel_points
from .channels import EMPTY_HU, widened
from .fluence import influence
from .intensity import ct_to_unit, unit_to_ct
from .planning import SAMPLING, Objectives, dose_of, fluences_of, lattice

MULTIPLE = 8  # of rows and columns of a map
NEAR_MM, FAR_MM = 10.0, 30.0  # bounds of the shells of normal tissue around the targets
SHELLS = 3


@dataclass(frozen=True, eq=False)
class Delivery:
    """Fields on a patient. Doses are shares of the highest prescription; fluence is what gives such doses.

    matrix: (points, beamlets), of open beamlets. points: flat index of voxels of ``grid``, where the CT shows something.
    places: (beamlets,) flat index into maps (beams, rows, columns) of ``shape``.
    regions: (points, targets + organs + 3) float32, 1 inside: target slots, the recipe's organs, shells of normal tissue (nearer
    to the targets than ``NEAR_MM``, than ``FAR_MM``, further).
    wanted: (points,) dose in the targets, 0 elsewhere.
    plans: (beamlets, plans) fluence of the recipe's plans. seen: [k, j, i] bool, where the CT shows something.
    """

    grid: Grid
    beams: list[Beam]
    matrix: csr_array
    points: np.ndarray
    places: np.ndarray
    shape: tuple[int, int, int]
    regions: np.ndarray
    wanted: np.ndarray
    plans: np.ndarray
    seen: np.ndarray

    @property
    def point_cc(self) -> float:
        """Volume that a sampled point stands for."""
        return float(np.prod(self.grid.spacing)) * SAMPLING**3 / 1000

    def dose(self, fluence: np.ndarray, beyond_mm: float) -> np.ndarray:
        """(k, j, i) of fluence (beamlets,), where the CT shows something or ends at most ``beyond_mm`` away; 0 elsewhere."""
        are_open = opened(self.beams)
        every = np.zeros((len(are_open), 1), np.float32)
        every[are_open, 0] = fluence
        voxels = np.flatnonzero(widened(self.seen, self.grid, beyond_mm))
        return dose_of(every, self.beams, Volume(self.seen, self.grid), voxels)[0]


def delivery_of(channels: np.ndarray, recipe: Recipe, spacing: tuple[float, float, float]) -> Delivery:
    """channels: (channels, k, j, i) in the recipe's order, on voxels of ``spacing``."""
    grid = Grid(channels.shape[:0:-1], spacing, (0.0, 0.0, 0.0))
    empty = float(ct_to_unit(np.array([EMPTY_HU]), recipe)[0])
    seen = channels[0] > empty
    hu = np.where(seen, unit_to_ct(channels[0], recipe), recipe.ct_range_hu[0]).astype(np.float32)
    maps = dict(zip((*TARGET_SLOTS, *recipe.structures), channels[2:], strict=False))
    target = np.any([maps[slot] > 0 for slot in TARGET_SLOTS], axis=0)
    beams = beams_on(Volume(hu, grid), target, recipe.planning["angles_deg"])
    points = np.flatnonzero(lattice(grid.shape) & seen)
    at = {name: one.ravel()[points] for name, one in maps.items()}
    wanted = np.where(target, channels[1], 0).ravel()[points].astype(np.float32)
    matrix = influence(beams, voxel_points(grid, points))
    organs, plans = {name: at[name] > 0 for name in recipe.structures}, [Objectives(**plan) for plan in recipe.planning["plans"]]
    fluences = np.stack(fluences_of(matrix, beams, wanted, organs, plans), axis=1)
    are_open, (places, shape) = opened(beams), places_of(beams)
    return Delivery(
        grid=grid,
        beams=beams,
        matrix=matrix[:, np.flatnonzero(are_open)].tocsr(),
        points=points,
        places=places[are_open],
        shape=shape,
        regions=regions_of(at, recipe),
        wanted=wanted,
        plans=fluences[are_open],
        seen=seen,
    )


def regions_of(distance: dict[str, np.ndarray], recipe: Recipe) -> np.ndarray:
    """(points, regions) float32, of distances (points,) in the recipe's unit, positive inside."""
    away = -np.max([distance[slot] for slot in TARGET_SLOTS], axis=0) * recipe.distance_unit_mm
    shells = [(away > 0) & (away < NEAR_MM), (away >= NEAR_MM) & (away < FAR_MM), away >= FAR_MM]
    return np.stack([*(one > 0 for one in distance.values()), *shells], axis=1).astype(np.float32)


def places_of(beams: list[Beam]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """(beamlets,) flat index of all beamlets into maps of one shape, (beams, rows, columns), that show the isocentre alike."""
    first = np.array([np.round(np.array(beam.first) / BEAMLET_MM) for beam in beams], int)
    last = first + [beam.open.shape for beam in beams]
    corner = first.min(axis=0)
    rows, columns = (-(-(last.max(axis=0) - corner) // MULTIPLE) * MULTIPLE).tolist()
    places = []
    for number, (beam, start) in enumerate(zip(beams, first - corner, strict=True)):
        row, column = (begin + np.arange(n) for begin, n in zip(start, beam.open.shape, strict=True))
        places.append(((number * rows + row[:, None]) * columns + column).ravel())
    return np.concatenate(places), (len(beams), rows, columns)
