"""A simple 6 MV photon beam: diverging, attenuated by radiological depth, blurred by penumbra and scatter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core import Volume

SAD_MM = 1000.0
BIXEL_MM = 5.0  # side of a beamlet at the isocentre
ATTENUATION_PER_MM = 0.0046  # 6 MV in water
BUILD_UP_PER_MM, SURFACE_SHARE = 0.32, 0.4  # maximum at 11 mm, under an immobilisation mask
PENUMBRA_MM, SCATTER_MM, SCATTER_SHARE, LEAKAGE = 3.0, 22.0, 0.10, 0.01
RAY_STEP_MM = 4.0


@dataclass(frozen=True, eq=False)
class Beam:
    """What one fluence map does to a set of points: dose = depth_dose * (blurred fluence at the point's place in the field).

    u runs across the field in the transverse plane, v along the patient, both at the isocentre.
    """

    gantry_deg: float
    fluence_shape: tuple[int, int]  # v, u
    place: np.ndarray  # (2, points) v, u in bixels
    depth_dose: np.ndarray  # (points,)

    def dose(self, fluence: np.ndarray) -> np.ndarray:
        """(points,) for a map (v, u)."""
        flat = _blurred(fluence).ravel().astype(np.float32)
        return self.depth_dose * sum(weight * flat[index] for index, weight in self._corners)

    def gradient(self, weight: np.ndarray) -> np.ndarray:
        """The adjoint of ``dose``: (v, u) for weights (points,)."""
        return _blurred(self._collected(self.depth_dose * weight))

    def aperture(self, target: np.ndarray) -> np.ndarray:
        """(v, u) bool: beamlets that aim at a target (flags of the points) or lie one beamlet beside one that does."""
        hit = np.pad(self._collected(target.astype(float)) > 0, 1)
        rows, columns = self.fluence_shape
        return np.any([hit[a : a + rows, b : b + columns] for a in range(3) for b in range(3)], axis=0)

    def at(self, chosen: np.ndarray) -> Beam:
        """The same beam seen by some of the points."""
        return Beam(self.gantry_deg, self.fluence_shape, self.place[:, chosen], self.depth_dose[chosen])

    def _collected(self, weight: np.ndarray) -> np.ndarray:
        """(v, u): each point's weight shared among the beamlets around it."""
        beamlets = self.fluence_shape[0] * self.fluence_shape[1]
        total = sum(np.bincount(index, weight * share, minlength=beamlets) for index, share in self._corners)
        return np.asarray(total).reshape(self.fluence_shape)

    @cached_property
    def _corners(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Flat index and weight of the four beamlets around each point; weight 0 beyond the field."""
        base = np.floor(self.place)
        share_v, share_u = self.place - base
        corners = []
        for dv, du in np.ndindex(2, 2):
            v, u = base[0].astype(np.int32) + dv, base[1].astype(np.int32) + du
            inside = (v >= 0) & (v < self.fluence_shape[0]) & (u >= 0) & (u < self.fluence_shape[1])
            weight = (share_v if dv else 1 - share_v) * (share_u if du else 1 - share_u) * inside
            corners.append((np.where(inside, v * self.fluence_shape[1] + u, 0), weight))
        return corners


def aim(
    gantry_deg: float, isocentre: np.ndarray, points: np.ndarray, density: Volume, half_field_mm: tuple[float, float]
) -> Beam:
    """The beam at points (n, 3) LPS mm; gantry 0 comes from the front, 90 from the patient's left.

    density: relative to water, on a grid with axes x, y, z. half_field_mm: v, u.
    """
    v, u, t = _field_coordinates(gantry_deg, isocentre, points)
    depth = _radiological_depth(gantry_deg, isocentre, density, (v, u, t))
    build_up = 1 - (1 - SURFACE_SHARE) * np.exp(-BUILD_UP_PER_MM * depth)
    depth_dose = build_up * np.exp(-ATTENUATION_PER_MM * depth) * (SAD_MM / t) ** 2
    rows, columns = (2 * int(np.ceil(half / BIXEL_MM)) + 1 for half in half_field_mm)
    place = np.stack([v / BIXEL_MM + rows // 2, u / BIXEL_MM + columns // 2])
    return Beam(gantry_deg, (rows, columns), place.astype(np.float32), depth_dose.astype(np.float32))


def _axes(gantry_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the central ray and of u."""
    sine, cosine = np.sin(np.deg2rad(gantry_deg)), np.cos(np.deg2rad(gantry_deg))
    return np.array([-sine, cosine, 0]), np.array([cosine, sine, 0])


def _field_coordinates(gantry_deg: float, isocentre: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """v, u at the isocentre's distance, and the distance t from the source along the central ray, mm."""
    ray, across = _axes(gantry_deg)
    offset = points - isocentre
    t = SAD_MM + offset @ ray
    return offset[:, 2] * SAD_MM / t, offset @ across * SAD_MM / t, t


def _radiological_depth(gantry_deg: float, isocentre: np.ndarray, density: Volume, place: tuple[np.ndarray, ...]) -> np.ndarray:
    """Water-equivalent mm from the source to points given by v, u, t: density summed along a lattice of diverging rays."""
    ray, across = _axes(gantry_deg)
    low = np.array([np.floor(axis.min()) for axis in place]) - RAY_STEP_MM
    low[2] -= 120  # from outside the patient: the points lie in it, 120 mm before the first of them is air or a little skin
    steps = [np.arange(start, axis.max() + 2 * RAY_STEP_MM, RAY_STEP_MM) for start, axis in zip(low, place, strict=True)]
    v, u, t = np.meshgrid(*steps, indexing="ij", sparse=True)
    world = [isocentre[n] + (t - SAD_MM) * ray[n] + t / SAD_MM * (u * across[n] + v * (n == 2)) for n in range(3)]
    index = [(world[n] - density.grid.origin[n]) / density.grid.spacing[n] for n in (2, 1, 0)]
    along = _nearest(density.array, index)
    depth = (np.cumsum(along, axis=2) - along / 2) * RAY_STEP_MM
    return trilinear(depth, [(axis - start) / RAY_STEP_MM for axis, start in zip(place, low, strict=True)])


def _nearest(array: np.ndarray, index: list[np.ndarray]) -> np.ndarray:
    """Values at continuous indices, nearest voxel, 0 beyond the sides; the first and last slice go on."""
    rounded = [np.rint(i).astype(np.int32) for i in index]
    rounded[0] = np.clip(rounded[0], 0, array.shape[0] - 1)
    inside = True
    for i, size in zip(rounded[1:], array.shape[1:], strict=True):
        inside = inside & (i >= 0) & (i < size)
    rounded[1:] = [np.clip(i, 0, size - 1) for i, size in zip(rounded[1:], array.shape[1:], strict=True)]
    return array[tuple(rounded)] * inside


def trilinear(array: np.ndarray, index: list[np.ndarray]) -> np.ndarray:
    """Values at continuous indices; clamped at the rim."""
    low = [np.clip(np.floor(i), 0, size - 2).astype(np.int32) for i, size in zip(index, array.shape, strict=True)]
    share = [np.clip(i - base, 0, 1) for i, base in zip(index, low, strict=True)]
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod([s if c else 1 - s for s, c in zip(share, corner, strict=True)], axis=0)
        total = total + weight * array[tuple(base + c for base, c in zip(low, corner, strict=True))]
    return np.asarray(total)


def _kernel(size: int) -> np.ndarray:
    """(2, size, size) rows of the penumbra's and the scatter's Gaussian over bixels."""
    distance = BIXEL_MM * (np.arange(size) - np.arange(size)[:, None])
    return np.stack([BIXEL_MM / np.sqrt(2 * np.pi) / s * np.exp(-((distance / s) ** 2) / 2) for s in (PENUMBRA_MM, SCATTER_MM)])


def _blurred(fluence: np.ndarray) -> np.ndarray:
    """Penumbra, scatter and leakage; symmetric, so its own adjoint."""
    along, across = _kernel(fluence.shape[0]), _kernel(fluence.shape[1])
    sharp, wide = (a @ fluence @ b for a, b in zip(along, across, strict=True))
    return (1 - SCATTER_SHARE) * sharp + SCATTER_SHARE * wide + LEAKAGE * fluence.mean()
