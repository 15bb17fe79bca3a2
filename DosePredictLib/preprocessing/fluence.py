"""The fluence of fields that comes closest to a wanted dose, by accelerated projected gradient (FISTA, Beck & Teboulle 2009)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, hstack

from ..core.parallel import in_threads
from .beams import Beam


@dataclass(frozen=True, eq=False)
class Objective:
    """Wanted dose (n,) at sampled points; weight (n,) of a difference; shortfall (n,): further weight of too little dose.

    The cost is the sum of weight * difference^2 (shortfall-fold below the wanted dose), plus smoothness * (fluence steps)^2.
    """

    wanted: np.ndarray
    weight: np.ndarray
    shortfall: np.ndarray
    smoothness: float = 0.0

    def slope(self, dose: np.ndarray) -> np.ndarray:
        """Half the derivative of the cost by the dose of each point."""
        difference = dose - self.wanted
        return self.weight * np.where(difference < 0, self.shortfall, np.float32(1)) * difference


def influence(beams: list[Beam], points: np.ndarray) -> csr_array:
    """Dose at points (n, 3) for unit fluence of all beamlets of all beams, (n, beamlets)."""
    matrix = hstack(in_threads(lambda beam: beam.influence(points), beams), format="csr")
    matrix.eliminate_zeros()  # of closed beamlets
    return matrix


def best_fluence(matrix: csr_array, beams: list[Beam], objective: Objective, iterations: int) -> np.ndarray:
    """(beamlets,) float32, never negative. beams: those of the matrix; only smoothness asks for them."""
    transposed = matrix.T.tocsr()
    smoothing = _smoothing(beams, objective.smoothness) if objective.smoothness else None

    def slope(fluence: np.ndarray) -> np.ndarray:
        half = transposed @ objective.slope(matrix @ fluence)
        return half if smoothing is None else half + smoothing @ fluence

    length = 1 / _largest_curvature(slope, matrix.shape[1], objective)
    fluence = ahead = np.zeros(matrix.shape[1], np.float32)
    momentum = 1.0
    for _ in range(iterations):
        new = np.maximum(0, ahead - np.float32(length) * slope(ahead))
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + np.float32((momentum - 1) / following) * (new - fluence)
        fluence, momentum = new, following
    return fluence


def _largest_curvature(slope, count: int, objective: Objective) -> float:
    """Upper estimate of the Lipschitz constant of ``slope``, by power iteration."""
    flat = slope(np.zeros(count, np.float32))
    vector = np.ones(count, np.float32)
    for _ in range(8):
        vector = vector / np.linalg.norm(vector)
        vector = slope(-vector) - flat
        size = float(np.linalg.norm(vector))
    return 1.1 * size


def _smoothing(beams: list[Beam], weight: float) -> csr_array:
    """(beamlets, beamlets): half the second derivative of the squares of ``weight`` times the steps of fluence."""
    steps = weight * _steps(beams)
    return (steps.T @ steps).tocsr()


def _steps(beams: list[Beam]) -> csr_array:
    """Differences between neighbouring open beamlets along a row (the leaves' direction) and across, (pairs, beamlets)."""
    first, pairs = 0, []
    for beam in beams:
        number = first + np.arange(beam.open.size).reshape(beam.open.shape)
        for one, other in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
            both = beam.open[one] & beam.open[other]
            pairs.append(np.stack([number[one][both], number[other][both]], axis=1))
        first += beam.open.size
    pair = np.concatenate(pairs)
    rows = np.repeat(np.arange(len(pair)), 2)
    return csr_array((np.tile(np.array([1, -1], np.float32), len(pair)), (rows, pair.ravel())), (len(pair), first))
