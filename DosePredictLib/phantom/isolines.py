"""Closed contours of a sampled field (marching squares)."""

from __future__ import annotations

import numpy as np

# Corners of a cell clockwise from the top left are bits 1, 2, 4, 8 where positive; edges: top, right, bottom, left.
# Each positive pattern is crossed from one edge to another with the positive side on the left hand.
TOP, RIGHT, BOTTOM, LEFT = range(4)
CROSSINGS = {
    1: ((LEFT, TOP),), 2: ((TOP, RIGHT),), 3: ((LEFT, RIGHT),), 4: ((RIGHT, BOTTOM),), 6: ((TOP, BOTTOM),),
    7: ((LEFT, BOTTOM),), 8: ((BOTTOM, LEFT),), 9: ((BOTTOM, TOP),), 11: ((BOTTOM, RIGHT),), 12: ((RIGHT, LEFT),),
    13: ((RIGHT, TOP),), 14: ((TOP, LEFT),), 5: ((LEFT, TOP), (RIGHT, BOTTOM)), 10: ((TOP, RIGHT), (BOTTOM, LEFT)),
}  # fmt: skip


def isolines(field: np.ndarray) -> list[np.ndarray]:
    """Closed polygons of field = 0, each (n, 2) as (column, row) indices; positive parts that touch the rim are closed there.

    Saddles are cut: positive corners that meet diagonally stay apart.
    """
    positive = field > 0
    if not positive.any():
        return []
    rows, columns = (_span(np.any(positive, axis=axis)) for axis in (1, 0))
    padded = np.pad(np.asarray(field, dtype=float), 1, constant_values=min(-1.0, float(field.min())))
    padded = padded[rows.start : rows.stop + 2, columns.start : columns.stop + 2]
    followers, width = _crossings(padded > 0), padded.shape[1]
    corner = np.array([columns.start, rows.start]) - 1
    loops = []
    while followers:
        first, edge = followers.popitem()
        loop = [first]
        while edge != first:
            loop.append(edge)
            edge = followers.pop(edge)
        loops.append(_points(np.array(loop), padded, width) + corner)
    return [loop for loop in loops if len(loop) > 2]


def _crossings(positive: np.ndarray) -> dict[int, int]:
    """From each crossed edge to the next; edge number 2 * pixel for the one to its right, + 1 for the one below it."""
    width = positive.shape[1]
    p = positive.astype(np.uint8)
    pattern = p[:-1, :-1] + 2 * p[:-1, 1:] + 4 * p[1:, 1:] + 8 * p[1:, :-1]
    j, i = np.nonzero((pattern > 0) & (pattern < 15))
    pixel, pattern = j * width + i, pattern[j, i]
    edges = np.stack([2 * pixel, 2 * (pixel + 1) + 1, 2 * (pixel + width), 2 * pixel + 1])
    followers: dict[int, int] = {}
    for kind, pairs in CROSSINGS.items():
        cells = pattern == kind
        for start, end in pairs:
            followers.update(zip(edges[start, cells].tolist(), edges[end, cells].tolist(), strict=True))
    return followers


def _span(occupied: np.ndarray) -> slice:
    """From the first to the last that is."""
    found = np.flatnonzero(occupied)
    return slice(int(found[0]), int(found[-1]) + 1)


def _points(edges: np.ndarray, field: np.ndarray, width: int) -> np.ndarray:
    """(n, 2) column, row where the field is zero along each edge."""
    pixel, downward = edges // 2, edges % 2
    j, i = pixel // width, pixel % width
    here, there = field[j, i], field[j + downward, i + 1 - downward]
    share = here / (here - there)
    return np.stack([i + share * (1 - downward), j + share * downward], axis=-1)
