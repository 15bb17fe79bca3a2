"""Which part of the case a network looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A box of voxels, [start, stop) along k, j, i; may reach beyond the array, whose edge voxels are then repeated."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        k, j, i = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    def take(self, array: np.ndarray) -> np.ndarray:
        """The box of (..., k, j, i); beyond the array, its nearest voxel."""
        for axis, (a, b) in enumerate(zip(self.start, self.stop, strict=True), start=array.ndim - 3):
            array = np.take(array, np.clip(np.arange(a, b), 0, array.shape[axis] - 1), axis=axis)
        return array

    def stacked(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The box of several (k, j, i), (arrays, k, j, i) float32."""
        return np.stack([self.take(array).astype(np.float32) for array in arrays])

    def put(self, values: np.ndarray, into: np.ndarray) -> None:
        """Write the box's values (k, j, i) where it overlaps ``into``."""
        inner = [slice(max(a, 0), min(b, n)) for a, b, n in zip(self.start, self.stop, into.shape, strict=True)]
        own = tuple(slice(s.start - a, s.stop - a) for s, a in zip(inner, self.start, strict=True))
        into[tuple(inner)] = values[own]


def network_box(
    targets: np.ndarray, body: np.ndarray, slice_mm: float, margin_mm: float, multiple: int, slice_multiple: int = 1
) -> Box:
    """Slices from the targets' first to last, ``margin_mm`` beyond; in plane the body there; padded to multiples.

    targets, body: [k, j, i] bool on the network's grid.
    """
    slices = np.flatnonzero(targets.any(axis=(1, 2)))
    margin = round(margin_mm / slice_mm)
    first, last = max(0, slices[0] - margin), min(len(targets), slices[-1] + 1 + margin)
    seen = (body | targets)[first:last]
    rows, columns = np.flatnonzero(seen.any(axis=(0, 2))), np.flatnonzero(seen.any(axis=(0, 1)))
    j, i = (_padded(int(found[0]), int(found[-1]) + 1, multiple) for found in (rows, columns))
    k = _padded(int(first), int(last), slice_multiple)
    return Box((k[0], j[0], i[0]), (k[1], j[1], i[1]))


def box_with(box: Box, mask: np.ndarray) -> tuple[slice, ...]:
    """The least part of an array that holds the box and all of ``mask`` with one voxel around: where distances in the box end."""
    planes = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(
        slice(max(0, min(start, int(found[0]) - 1)), min(size, max(stop, int(found[-1]) + 2)))
        for start, stop, found, size in zip(box.start, box.stop, planes, mask.shape, strict=True)
    )


def _padded(start: int, stop: int, multiple: int) -> tuple[int, int]:
    extra = -(stop - start) % multiple
    return start - extra // 2, stop + extra - extra // 2
