"""Structures to occupancy: what fraction of every voxel of a grid lies inside.

A structure is the stack of its planes. On one plane the contours combine by even-odd parity, whatever their drawn order
or ContourGeometricType (DICOM PS3.3 C.8.8.6): holes, CLOSEDPLANAR_XOR, keyholes and nested islands follow from that.
Each plane stands for the slab of tissue up to the mid-planes of its neighbours, so any grid parallel to the contours will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import GeometryError, Grid, Structure, Volume
from .polygons import Crossings, coverage, crossings, overlaps, snapped
from .resample import resample

SAME_PLANE_MM = 0.1  # contours closer than this lie on one plane; also the tilt allowed within one contour
WIDEST_GAP = 1.5  # in typical plane spacings; a wider gap separates two islands and is left empty
FARTHEST_MM = 10_000.0  # no patient reaches further; beyond lies a damaged file
SMALLEST_AREA = 1e-6  # voxel faces; a contour of less encloses nothing
CROSSING_SHARE = 0.01  # of the smaller of two contours, more than rounding of a shared border explains


@dataclass(frozen=True, eq=False)
class Raster:
    """A structure on the part of a grid around it.

    volume: occupancy, float32 in [0, 1], on the voxels of ``grid`` from index ``offset`` (i, j, k) on.
    volume_cc: of the whole structure, also where it lies outside the grid. coverage: the share of it inside the grid.
    notes: what a physicist should know about the contours, one phrase each.
    """

    volume: Volume
    offset: tuple[int, int, int]
    volume_cc: float
    coverage: float
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.volume.array.any()

    def on(self, grid: Grid) -> np.ndarray:
        """Occupancy on all of ``grid``, [k, j, i] float32. Raises GeometryError for a grid it was not made on."""
        if not self.volume.grid.matches(grid.cropped(self.offset, self.volume.grid.size)):
            raise GeometryError("A structure was rasterised on another grid than the one it is asked for; rasterise it again.")
        whole = np.zeros(grid.shape, dtype=np.float32)
        i, j, k = (slice(first, first + count) for first, count in zip(self.offset, self.volume.grid.size, strict=True))
        whole[k, j, i] = self.volume.array
        return whole


@dataclass(frozen=True, eq=False)
class _Slab:
    """The polygons (i, j) of one plane and the slab it stands for, k from ``bottom`` to ``top``; all in voxels."""

    polygons: list[np.ndarray]
    bottom: float
    top: float


def rasterise(structure: Structure, grid: Grid, *, subsampling: int = 8) -> Raster:
    """The fraction of each voxel of ``grid`` inside ``structure``.

    Along rows the coverage is exact; across rows it is the mean of ``subsampling`` scan lines at half-open centres;
    along k it is the exact overlap of slab and voxel. A structure that has occupancy instead of contours is
    interpolated linearly. One that is empty or outside the grid gives a raster without a filled voxel and a note.
    Raises GeometryError for contours that are not parallel to the grid's slices or far from any patient.
    """
    if structure.occupancy is not None:
        return _from_occupancy(structure.occupancy, grid)
    polygons, notes = _polygons(structure, grid)
    slabs, slab_notes = _slabs(polygons, grid.spacing[2])
    notes += slab_notes
    if not slabs:
        return _nothing(grid, 0.0, [*notes, "it has no contour that encloses an area"])
    return _from_slabs(slabs, grid, subsampling, notes)


def _polygons(structure: Structure, grid: Grid) -> tuple[list[np.ndarray], list[str]]:
    """Contours as (n, 3) indices of the grid, without those that enclose nothing or repeat another."""
    kept: dict[bytes, np.ndarray] = {}
    degenerate = repeated = 0
    for contour in structure.contours:
        index = _on_lattice(contour, grid, structure.name)
        key = index.tobytes()
        if len(index) < 3 or abs(_area(index)) < SMALLEST_AREA:
            degenerate += 1
        elif key in kept:
            repeated += 1
        else:
            kept[key] = index
    notes = []
    if degenerate:
        notes.append(f"{degenerate} contour(s) with fewer than 3 points or no area were ignored")
    if repeated:
        notes.append(f"{repeated} contour(s) drawn twice were taken once")
    return list(kept.values()), notes


def _on_lattice(contour: np.ndarray, grid: Grid, name: str) -> np.ndarray:
    index = grid.to_index(np.reshape(contour, (-1, 3)))
    if not np.isfinite(index).all() or (np.abs(index) * grid.spacing > FARTHEST_MM).any():
        raise GeometryError(
            f"A contour of {name} has points more than {FARTHEST_MM / 1000:g} m away from the image or not finite;"
            " check that the structure set belongs to this image and export it again."
        )
    tilt = float(np.ptp(index[:, 2])) * grid.spacing[2] if len(index) else 0.0
    if tilt > SAME_PLANE_MM:
        raise GeometryError(
            f"A contour of {name} is not parallel to the slices of the image: it spans {tilt:.1f} mm across them;"
            " export the structures on the planes of this image."
        )
    return snapped(index)


def _area(polygon: np.ndarray) -> float:
    i, j = (polygon[:, :2] - polygon[0, :2]).T
    return 0.5 * float(i @ np.roll(j, -1) - j @ np.roll(i, -1))


def _slabs(polygons: list[np.ndarray], spacing: float) -> tuple[list[_Slab], list[str]]:
    """Planes in ascending k with the slabs they own; ``spacing`` is that of the grid's slices in mm."""
    if not polygons:
        return [], []
    polygons = sorted(polygons, key=lambda p: p[:, 2].mean())
    heights = np.array([p[:, 2].mean() for p in polygons])
    starts = np.flatnonzero(np.diff(heights, prepend=-np.inf) * spacing > SAME_PLANE_MM)
    planes = [polygons[a:b] for a, b in zip(starts, [*starts[1:], len(polygons)], strict=True)]
    bottoms, tops, notes = _bounds(heights[starts], spacing)
    slabs = [_Slab([p[:, :2] for p in plane], *ends) for plane, *ends in zip(planes, bottoms, tops, strict=True)]
    return slabs, notes


def _bounds(planes: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Lower and upper k of each plane's slab: mid-planes, or half a typical spacing at ends and gaps."""
    if len(planes) == 1:
        note = f"it has one plane only, taken to be as thick as a slice of the image ({spacing:g} mm)"
        return snapped(planes - 0.5), snapped(planes + 0.5), [note]
    gaps = np.diff(planes)
    typical = float(np.quantile(gaps, 0.5, method="lower"))
    wide = gaps > WIDEST_GAP * typical
    middles = (planes[:-1] + planes[1:]) / 2
    tops = np.append(np.where(wide, planes[:-1] + typical / 2, middles), planes[-1] + typical / 2)
    bottoms = np.append(planes[0] - typical / 2, np.where(wide, planes[1:] - typical / 2, middles))
    notes = [
        f"contours are {gap * spacing:.1f} mm apart in one place (typically {typical * spacing:.1f} mm); the gap was left empty"
        for gap in gaps[wide]
    ]
    return snapped(bottoms), snapped(tops), notes


def _from_slabs(slabs: list[_Slab], grid: Grid, subsampling: int, notes: list[str]) -> Raster:
    start, stop = _box(slabs, grid)
    outside = bool((stop <= start).any())
    size = np.ones(3, dtype=int) if outside else stop - start
    array = np.zeros(size[::-1], dtype=np.float32)
    volume = 0.0
    intersecting = 0
    for slab in slabs:
        lines = crossings(slab.polygons, subsampling)
        volume += lines.area * (slab.top - slab.bottom)
        intersecting += _intersect(lines, len(slab.polygons))
        if not outside:
            _add(array, lines, slab, start)
    if intersecting:
        notes = [*notes, f"contours intersect on {intersecting} plane(s); where two overlap counts as outside (even-odd)"]
    volume_cc = volume * grid.voxel_volume_cc
    if outside:
        return _nothing(grid, volume_cc, [*notes, "it lies outside the image"])
    return _raster(array, grid, start, volume_cc, notes)


def _box(slabs: list[_Slab], grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last voxel (i, j, k) the slabs touch, within the grid."""
    points = np.concatenate([p for slab in slabs for p in slab.polygons])
    lowest = np.append(points.min(axis=0), slabs[0].bottom)
    highest = np.append(points.max(axis=0), slabs[-1].top)
    start = np.clip(np.floor(lowest + 0.5), 0, grid.size).astype(int)
    stop = np.clip(np.ceil(highest + 0.5), 0, grid.size).astype(int)
    return start, stop


def _add(array: np.ndarray, lines: Crossings, slab: _Slab, start: np.ndarray) -> None:
    """Add what a slab fills to ``array``, whose first voxel has the index ``start``."""
    slices = np.arange(len(array)) + start[2]
    overlap = np.minimum(slab.top, slices + 0.5) - np.maximum(slab.bottom, slices - 0.5)
    touched = np.flatnonzero(overlap > 0)
    if touched.size:
        plane = coverage(lines, start=(start[0], start[1]), shape=array.shape[1:])
        for k in touched:
            array[k] += overlap[k] * plane


def _intersect(lines: Crossings, polygons: int) -> bool:
    """Whether two contours of a plane overlap without one holding the other."""
    if polygons < 2:
        return False
    shared = overlaps(lines, polygons)
    areas = np.diag(shared)
    smaller = np.minimum(areas[:, None], areas[None, :])
    partly = (shared > CROSSING_SHARE * smaller) & (shared < (1 - CROSSING_SHARE) * smaller)
    return bool(partly.any())


def _from_occupancy(occupancy: Volume, grid: Grid) -> Raster:
    if not occupancy.array.any():
        return _nothing(grid, 0.0, ["it has no filled voxel"])
    volume_cc = float(occupancy.array.sum(dtype=np.float64)) * occupancy.grid.voxel_volume_cc
    array = np.clip(resample(occupancy, grid, outside=0.0), 0, 1)
    used = [np.flatnonzero(array.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]  # i, j, k
    if not used[0].size:
        return _nothing(grid, volume_cc, ["it lies outside the image"])
    start, stop = (np.array([u[end] for u in used]) for end in (0, -1))
    i, j, k = (slice(a, b + 1) for a, b in zip(start, stop, strict=True))
    return _raster(array[k, j, i], grid, start, volume_cc, [])


def _raster(array: np.ndarray, grid: Grid, start: np.ndarray, volume_cc: float, notes: list[str]) -> Raster:
    a, b, c = (int(v) for v in start)
    inside_cc = float(array.sum(dtype=np.float64)) * grid.voxel_volume_cc
    part = grid.cropped((a, b, c), (array.shape[2], array.shape[1], array.shape[0]))
    share = min(1.0, inside_cc / volume_cc) if volume_cc > 0 else 0.0
    if share < 0.999:
        notes = [*notes, f"{100 * (1 - share):.1f} % of its volume lies outside the image"]
    return Raster(Volume(array, part), (a, b, c), volume_cc, share, tuple(notes))


def _nothing(grid: Grid, volume_cc: float, notes: list[str]) -> Raster:
    part = grid.cropped((0, 0, 0), (1, 1, 1))
    return Raster(Volume(np.zeros((1, 1, 1), dtype=np.float32), part), (0, 0, 0), volume_cc, 0.0, tuple(notes))
