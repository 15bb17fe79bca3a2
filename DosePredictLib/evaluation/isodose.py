"""How alike two isodose volumes are: their overlap, and the distance between their surfaces.

Both are measured finer than voxels. A voxel on the border belongs to the volume by the share of the dose interval it spans; the
surface is where the dose interpolated along the lines between voxel centres crosses the level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import DoseGrid
from .interpolation import on_grid, trilinear_gradient

POINTS = 2000  # of a surface, evenly taken from all
STEPS = 8  # of Newton's method towards a surface
ARRIVED = 1e-3  # of the level
CHUNK = 100
NARROWEST_GY = 1e-4


@dataclass(frozen=True)
class IsodoseAgreement:
    """dice: 1 where the volumes are the same, 0 where they share nothing, NaN where neither exists.

    hausdorff95_mm: 95 % of each surface lies no farther from the other; NaN where one of them does not exist.
    """

    level_gy: float
    dice: float
    hausdorff95_mm: float


def isodose_agreement(predicted: DoseGrid, reference: DoseGrid, level_gy: float) -> IsodoseAgreement:
    """The volumes that receive at least ``level_gy``, on the grid of the reference."""
    first, second = on_grid(predicted, reference.grid).astype(float), reference.gray.astype(float)
    spacing = np.array(reference.grid.spacing)
    surfaces = _surface(first, spacing, level_gy), _surface(second, spacing, level_gy)
    distance = float("nan")
    if all(len(surface) for surface in surfaces):
        there = np.percentile(_distances(surfaces[0], second, spacing, level_gy, surfaces[1]), 95)
        back = np.percentile(_distances(surfaces[1], first, spacing, level_gy, surfaces[0]), 95)
        distance = float(max(there, back))
    return IsodoseAgreement(level_gy, _dice(_share_within(first, level_gy), _share_within(second, level_gy)), distance)


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    total = float(first.sum() + second.sum())
    return 2 * float(np.minimum(first, second).sum()) / total if total else float("nan")


def _share_within(gray: np.ndarray, level: float) -> np.ndarray:
    """The share of each voxel at or above the level, its dose being uniform over the interval it spans (see ``dvh``)."""
    squares = sum(np.gradient(gray, axis=axis) ** 2 for axis in range(3) if gray.shape[axis] > 1)
    half_width = np.maximum(np.sqrt(squares) / 2, NARROWEST_GY)
    return np.clip(0.5 + (gray - level) / (2 * half_width), 0, 1)


def _surface(gray: np.ndarray, spacing: np.ndarray, level: float) -> np.ndarray:
    """(n, 3) mm along the axes of the grid: where the lines between neighbouring voxel centres cross the level."""
    points = []
    for axis in range(3):
        along = 2 - axis
        low, high = (np.take(gray, np.arange(gray.shape[along] - 1) + side, along) for side in (0, 1))
        place = np.argwhere((low >= level) != (high >= level))
        below, above = (values[tuple(place.T)] for values in (low, high))
        index = place[:, ::-1].astype(float)
        index[:, axis] += (level - below) / (above - below)
        points.append(index * spacing)
    return np.concatenate(points)


def _distances(points: np.ndarray, gray: np.ndarray, spacing: np.ndarray, level: float, surface: np.ndarray) -> np.ndarray:
    """mm from some of the points, (n, 3), to the surface of another dose.

    The nearer of two places on it: the nearest known point of it, and where going up or down the dose leads to.
    """
    chosen = points[:: 1 + len(points) // POINTS]
    return np.minimum(_to_nearest(chosen, surface), _along_the_dose(chosen, gray, spacing, level))


def _to_nearest(points: np.ndarray, surface: np.ndarray) -> np.ndarray:
    squares = (surface**2).sum(1)
    nearest = [(squares - 2 * part @ surface.T).min(1) for part in np.array_split(points, 1 + len(points) // CHUNK)]
    return np.sqrt(np.maximum(np.concatenate(nearest) + (points**2).sum(1), 0))


def _along_the_dose(points: np.ndarray, gray: np.ndarray, spacing: np.ndarray, level: float) -> np.ndarray:
    """mm to where Newton's method ends; infinite where it does not arrive."""
    place = points.copy()
    for _ in range(STEPS):
        value, gradient = trilinear_gradient(gray, place / spacing)
        slope = gradient / spacing
        step = ((level - value) / np.maximum((slope**2).sum(1), 1e-12))[:, None] * slope
        place += step * np.minimum(1, spacing.max() / np.maximum(np.linalg.norm(step, axis=1), 1e-12))[:, None]
    lacking = np.abs(trilinear_gradient(gray, place / spacing)[0] - level)
    return np.where(lacking < ARRIVED * level, np.linalg.norm(place - points, axis=1), np.inf)
