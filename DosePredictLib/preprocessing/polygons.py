"""Even-odd area of polygons on a lattice of pixels, by scan lines. Units are pixels; pixel (i, j) is centred on (i, j)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEPS = 4096  # per pixel; on this lattice sums of coverages are exact in float64, and neighbours add up to 1


def snapped(values: np.ndarray) -> np.ndarray:
    """Coordinates rounded to 1/4096 pixel (about a micrometre), beyond what contours mean and before rounding errors matter."""
    return np.rint(np.asarray(values, dtype=float) * STEPS) / STEPS


@dataclass(frozen=True, eq=False)
class Crossings:
    """Where scan lines cross polygons, sorted by line and then by i; every line is crossed an even number of times.

    line: scan line, ``subsampling`` of them for each pixel row. i: position on the line. polygon: whose edge is crossed.
    """

    line: np.ndarray
    i: np.ndarray
    polygon: np.ndarray
    subsampling: int

    @property
    def sign(self) -> np.ndarray:
        """+1 where a line enters the inside, -1 where it leaves it."""
        return np.where(np.arange(len(self.i)) % 2, -1.0, 1.0)

    @property
    def area(self) -> float:
        """Inside area in pixels."""
        return float(-self.sign @ self.i) / self.subsampling


def crossings(polygons: list[np.ndarray], subsampling: int) -> Crossings:
    """Crossings of all scan lines with closed polygons, each (n, 2) of (i, j).

    Line m runs at j = (m + 1/2) / subsampling - 1/2. An edge owns its lower end, not its upper one (half-open), so that a
    vertex on a line counts once.
    """
    start = np.concatenate(polygons)
    end = np.concatenate([np.roll(p, -1, axis=0) for p in polygons])
    upwards = (start[:, 1] <= end[:, 1])[:, None]
    low, high = np.where(upwards, start, end), np.where(upwards, end, start)
    bottom, top = ((p[:, 1] + 0.5) * subsampling - 0.5 for p in (low, high))
    first = np.ceil(bottom).astype(int)
    count = np.ceil(top).astype(int) - first
    edge = np.repeat(np.arange(len(start)), count)
    line = np.arange(len(edge)) + np.repeat(first - np.cumsum(count) + count, count)
    share = (line - bottom[edge]) / (top - bottom)[edge]
    i = snapped(low[edge, 0] + share * (high - low)[edge, 0])
    polygon = np.repeat(np.arange(len(polygons)), [len(p) for p in polygons])[edge]
    order = np.lexsort((i, line))
    return Crossings(line[order], i[order], polygon[order], subsampling)


def coverage(lines: Crossings, *, start: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Fraction of each pixel inside, [j, i] of ``shape`` from pixel ``start`` (i, j) on.

    Every crossing adds its sign to all pixels on its right, and to its own pixel the part on its right.
    """
    rows, columns = shape
    row = lines.line // lines.subsampling - start[1]
    within = (row >= 0) & (row < rows)
    position = np.clip(lines.i[within] - start[0] + 0.5, 0, columns)  # from the left edge of the first pixel
    column = position.astype(int)
    right = lines.sign[within] * (position - column)
    pixel = row[within] * (columns + 2) + column
    size = rows * (columns + 2)
    steps = np.bincount(pixel, lines.sign[within] - right, size) + np.bincount(pixel + 1, right, size)
    return np.cumsum(steps.reshape(rows, -1), axis=1)[:, :columns] / lines.subsampling


def overlaps(lines: Crossings, polygons: int) -> np.ndarray:
    """(polygons, polygons) area in pixels that two polygons share; their own areas on the diagonal."""
    is_crossed = lines.polygon[:, None] == np.arange(polygons)
    inside = np.cumsum(is_crossed, axis=0) % 2  # between a crossing and the next one on its line
    length = np.diff(lines.i, append=0.0)
    return inside.T @ (inside * length[:, None]) / lines.subsampling
