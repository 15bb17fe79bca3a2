"""Solids given slice by slice by their depth: millimetres below the surface, negative outside.

Depth is measured along the ray from the centre, in the plane. It is exact for circles and on every surface, which is what
contours and partial volume need.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

OUTSIDE = np.float32(-99.0)
MARGIN_MM = 30.0  # depth is computed this far outside a solid, OUTSIDE beyond


class Section:
    """The pixel centres of one transverse slice: x (columns) and y (rows), ascending LPS mm, at height z."""

    def __init__(self, x: np.ndarray, y: np.ndarray, z: float) -> None:
        self.x, self.y, self.z = np.float32(x), np.float32(y), z
        self.nothing = np.broadcast_to(OUTSIDE, (len(y), len(x)))
        self._depths: dict[int, np.ndarray] = {}

    def depth(self, shape: Shape) -> np.ndarray:
        """(rows, columns) mm below the surface of a solid; worked out once, since solids are parts of each other."""
        if id(shape) not in self._depths:
            self._depths[id(shape)] = shape.depth(self)
        return self._depths[id(shape)]


class Shape:
    """A solid; ``&``, ``|`` and ``-`` are intersection, union and difference."""

    def depth(self, section: Section) -> np.ndarray:
        """(rows, columns) mm below the surface."""
        raise NotImplementedError

    def __and__(self, other: Shape) -> Shape:
        return Intersection(self, other)

    def __or__(self, other: Shape) -> Shape:
        return Union(self, other)

    def __sub__(self, other: Shape) -> Shape:
        return Difference(self, other)

    def blend(self, other: Shape, width_mm: float) -> Shape:
        """Union with the crease filled in."""
        return Union(self, other, width_mm)

    def grown(self, mm: float) -> Shape:
        """Larger by ``mm`` in the plane; smaller where negative."""
        return Grown(self, mm)


@dataclass(frozen=True)
class Union(Shape):
    first: Shape
    second: Shape
    blend_mm: float = 0.0

    def depth(self, section: Section) -> np.ndarray:
        a, b = section.depth(self.first), section.depth(self.second)
        if a is section.nothing or b is section.nothing:
            return b if a is section.nothing else a
        return (a + b + np.hypot(a - b, np.float32(self.blend_mm))) / 2 if self.blend_mm else np.maximum(a, b)


@dataclass(frozen=True)
class Intersection(Shape):
    first: Shape
    second: Shape

    def depth(self, section: Section) -> np.ndarray:
        a = section.depth(self.first)
        return a if a is section.nothing else np.minimum(a, section.depth(self.second))


@dataclass(frozen=True)
class Difference(Shape):
    first: Shape
    second: Shape

    def depth(self, section: Section) -> np.ndarray:
        a, b = section.depth(self.first), section.depth(self.second)
        return a if a is section.nothing or b is section.nothing else np.minimum(a, -b)


@dataclass(frozen=True)
class Grown(Shape):
    shape: Shape
    mm: float

    def depth(self, section: Section) -> np.ndarray:
        a = section.depth(self.shape)
        return a if a is section.nothing else a + np.float32(self.mm)


@dataclass(frozen=True)
class Lifted(Shape):
    """The solid ``mm`` higher."""

    shape: Shape
    mm: float

    def depth(self, section: Section) -> np.ndarray:
        return Section(section.x, section.y, section.z - self.mm).depth(self.shape)


@dataclass(frozen=True)
class Tube(Shape):
    """A superellipse that moves and changes with height: stations are (z, x, y, half width, half depth), z ascending."""

    stations: tuple[tuple[float, float, float, float, float], ...]
    power: float = 2.0

    def at(self, z: float) -> np.ndarray | None:
        """(4,) x, y, half width, half depth at height z; None beyond the ends."""
        table = np.array(self.stations)
        if not table[0, 0] <= z <= table[-1, 0]:
            return None
        return cubic(table[:, 0], table[:, 1:], z)

    def depth(self, section: Section) -> np.ndarray:
        ellipse = self.at(section.z)
        return section.nothing if ellipse is None else superellipse(section, ellipse, self.power)

    def mirrored(self) -> Tube:
        return replace(self, stations=tuple((z, -x, y, a, b) for z, x, y, a, b in self.stations))


@dataclass(frozen=True)
class Ellipsoid(Shape):
    """centre and semi-axes in mm; a power above 2 makes it squarer from foot to head."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    power: float = 2.0

    @property
    def volume_cc(self) -> float:
        """For power 2 only."""
        return float(4 / 3 * np.pi * np.prod(self.axes)) / 1000

    def depth(self, section: Section) -> np.ndarray:
        height = abs(section.z - self.centre[2]) / self.axes[2]
        if height >= 1:
            return section.nothing
        scale = (1 - height**self.power) ** (1 / self.power)
        return superellipse(section, np.array([*self.centre[:2], self.axes[0] * scale, self.axes[1] * scale]))

    def mirrored(self) -> Ellipsoid:
        return replace(self, centre=(-self.centre[0], *self.centre[1:]))


@dataclass(frozen=True)
class Arch(Shape):
    """A bent plate, as the mandible: |y - front - bend x^2| < half thickness as far back as ``back``, between two heights."""

    heights: tuple[float, float]
    front: float
    bend: float
    back: float
    half_thickness: float

    def depth(self, section: Section) -> np.ndarray:
        if not self.heights[0] <= section.z <= self.heights[1]:
            return section.nothing
        x, y = section.x, section.y[:, None]
        off_curve = np.abs(y - self.front - self.bend * x**2) / np.hypot(1, 2 * self.bend * x)
        return np.minimum(self.half_thickness - off_curve, self.back - y).astype(np.float32)


@dataclass(frozen=True)
class Above(Shape):
    """The half space z > height + slope * y."""

    height: float
    slope: float = 0.0

    def depth(self, section: Section) -> np.ndarray:
        above = section.z - self.height - self.slope * section.y[:, None]
        return np.broadcast_to(above, section.nothing.shape).astype(np.float32)


def superellipse(section: Section, ellipse: np.ndarray, power: float = 2.0) -> np.ndarray:
    """Depth below |x/a|^p + |y/b|^p = 1; the ellipse is (x, y, a, b) in mm."""
    x, y, a, b = np.float32(ellipse)
    if min(a, b) <= 0:
        return section.nothing
    columns = slice(*np.searchsorted(section.x, (x - a - MARGIN_MM, x + a + MARGIN_MM)))
    rows = slice(*np.searchsorted(section.y, (y - b - MARGIN_MM, y + b + MARGIN_MM)))
    dx, dy = section.x[columns] - x, section.y[rows, None] - y
    ratio = (np.abs(dx / a) ** power + np.abs(dy / b) ** power) ** np.float32(1 / power)  # 1 on the surface
    tiny = np.float32(1e-6)
    depth = np.array(section.nothing)
    depth[rows, columns] = (1 - ratio) * (np.hypot(dx, dy) + tiny) / (ratio + tiny / min(a, b))
    return depth


def cubic(knots: np.ndarray, values: np.ndarray, at: float) -> np.ndarray:
    """Hermite interpolation with central slopes, zero where a value is extreme: smooth and without overshoot."""
    steps = np.diff(values, axis=0) / np.diff(knots)[:, None]
    slopes = np.zeros_like(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = 2 * steps[:-1] * steps[1:] / (steps[:-1] + steps[1:])
    slopes[1:-1] = np.where(steps[:-1] * steps[1:] > 0, harmonic, 0)
    slopes[0], slopes[-1] = steps[0], steps[-1]
    n = int(np.clip(np.searchsorted(knots, at) - 1, 0, len(knots) - 2))
    width = knots[n + 1] - knots[n]
    t = (at - knots[n]) / width
    start, end = values[n], values[n + 1]
    return (
        start + (end - start) * t * t * (3 - 2 * t)
        + width * t * (1 - t) * ((1 - t) * slopes[n] - t * slopes[n + 1])
    )  # fmt: skip
