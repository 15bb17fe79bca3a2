"""The voxel lattice, and the geometric conventions of the whole library.

World coordinates are DICOM LPS in millimetres. Arrays are indexed ``[k, j, i]`` (slice, row, column),
voxel (0, 0, 0) is centred on ``origin``. No array travels without its grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .errors import GeometryError

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """A right-handed lattice of voxels in patient space.

    size: voxels along i, j, k. spacing: mm along i, j, k. origin: LPS mm of the centre of voxel (0, 0, 0).
    direction: row-major 3x3; its columns are the unit vectors of i, j, k.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...] = IDENTITY

    def __post_init__(self) -> None:
        numbers = np.array([*self.spacing, *self.origin, *self.direction], dtype=float)
        if len(self.direction) != 9 or not np.isfinite(numbers).all():
            raise GeometryError("A voxel grid has a missing or non-finite position, spacing or direction.")
        if min(self.size) < 1 or min(self.spacing) <= 0:
            raise GeometryError(f"A voxel grid has size {self.size} and spacing {self.spacing} mm; both must be positive.")
        if not np.allclose(self.axes.T @ self.axes, np.eye(3), atol=1e-4) or np.linalg.det(self.axes) < 0:
            raise GeometryError("The axes of a voxel grid are not perpendicular and right-handed.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array on this grid, ``(k, j, i)``."""
        return (self.size[2], self.size[1], self.size[0])

    @property
    def axes(self) -> np.ndarray:
        """3x3, columns are the unit vectors of i, j, k."""
        return np.array(self.direction, dtype=float).reshape(3, 3)

    @property
    def voxel_volume_cc(self) -> float:
        return float(np.prod(self.spacing)) / 1000.0

    @cached_property
    def index_to_world(self) -> np.ndarray:
        """4x4 matrix from (i, j, k, 1) to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes * np.array(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def to_world(self, index: np.ndarray) -> np.ndarray:
        """LPS mm, (..., 3), of continuous indices (i, j, k), (..., 3)."""
        matrix = self.index_to_world
        return np.asarray(index, dtype=float) @ matrix[:3, :3].T + matrix[:3, 3]

    def to_index(self, world: np.ndarray) -> np.ndarray:
        """Continuous indices (i, j, k), (..., 3), of LPS mm, (..., 3)."""
        return (np.asarray(world, dtype=float) - np.array(self.origin)) @ self.axes / np.array(self.spacing)

    def matches(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """Whether both grids have the same voxels, each corner within ``tolerance_mm``."""
        return self.size == other.size and bool(np.allclose(self.corners, other.corners, atol=tolerance_mm))

    @property
    def corners(self) -> np.ndarray:
        """(8, 3) LPS mm of the centres of the corner voxels."""
        last = np.array(self.size) - 1
        return self.to_world(np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * last)

    def contains(self, world: np.ndarray) -> np.ndarray:
        """(...) bool: whether points in LPS mm, (..., 3), lie in the volume covered by voxels."""
        index = self.to_index(world)
        return np.all((index >= -0.5) & (index <= np.array(self.size) - 0.5), axis=-1)

    def resampled(self, spacing: tuple[float, float, float]) -> Grid:
        """The grid of another spacing over the same volume, edge to edge at voxel (0, 0, 0)."""
        extent = np.array(self.size) * self.spacing
        size = np.maximum(1, np.ceil(extent / np.array(spacing) - 1e-6)).astype(int)
        corner = self.to_world(np.full(3, -0.5))
        origin = corner + self.axes @ (np.array(spacing) / 2)
        return replace(self, size=_triple(size, int), spacing=_triple(spacing, float), origin=_triple(origin, float))

    def cropped(self, start: tuple[int, int, int], size: tuple[int, int, int]) -> Grid:
        """The part of ``size`` voxels from index ``start`` (i, j, k) on; may reach beyond this grid."""
        return replace(self, size=size, origin=_triple(self.to_world(np.array(start)), float))


def _triple(values, kind) -> tuple:
    return tuple(kind(v) for v in values)
