"""A nine-field intensity-modulated plan for the synthetic patient, by gradient descent on its fluences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..core import DoseGrid, Grid, Volume
from . import anatomy
from .beams import Beam, aim
from .patient import sections

GANTRY_DEG = tuple(range(0, 360, 40))
DOSE_SPACING_MM = (3.0, 3.0, 3.0)
FIELD_MARGIN_MM = 40.0  # room for scatter
ITERATIONS = 120
POINTS = 40_000  # that the optimisation looks at
BODY_WEIGHT = 0.05
FALL_GY_PER_MM = 1.5  # from one target into the next
ORGAN_GOALS = {  # Gy, weight
    "Bone_Mandible": (50.0, 0.1), "Larynx": (34.0, 0.1), "Esophagus": (28.0, 0.1), "Parotid_R": (16.0, 0.12),
    "Parotid_L": (12.0, 0.2), "Brainstem": (22.0, 0.5), "SpinalCord": (30.0, 1.5),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Goals:
    """For each point: the least and the highest dose wanted in Gy, and what a Gy beyond costs."""

    least: np.ndarray
    most: np.ndarray
    weight: np.ndarray

    def at(self, chosen: np.ndarray) -> Goals:
        return Goals(self.least[chosen], self.most[chosen], self.weight[chosen])

    def excess(self, dose: np.ndarray) -> np.ndarray:
        """Gy above (positive, counted twice) or below (negative) what is wanted."""
        return 2 * np.maximum(dose - self.most, 0) - np.maximum(self.least - dose, 0)


def plan_dose(ct: Volume) -> DoseGrid:
    """The planned dose of the whole course on a 3 mm grid around the patient; 0 outside the body."""
    grid = dose_grid()
    masks = inside_masks(grid)
    body = np.nonzero(masks["External"].ravel())[0]
    beams = aim_beams(ct, grid, masks, body)
    goals = planning_goals(grid, masks, body)
    chosen = _important(goals)
    fluences = optimise([beam.at(chosen) for beam in beams], goals.at(chosen))
    gray = np.zeros(grid.shape, dtype=np.float32)
    gray.ravel()[body] = sum(beam.dose(fluence) for beam, fluence in zip(beams, fluences, strict=True))
    return DoseGrid(gray * _normalisation(gray, masks), grid)


def dose_grid() -> Grid:
    """Around the body over the whole scan, 3 mm."""
    low, high = np.array([-222.0, -120.0, anatomy.BOTTOM_MM]), np.array([222.0, 123.0, anatomy.TOP_MM])
    columns, rows, frames = ((high - low) / DOSE_SPACING_MM).astype(int).tolist()
    x, y, z = (low + np.array(DOSE_SPACING_MM) / 2).tolist()
    return Grid((columns, rows, frames), DOSE_SPACING_MM, (x, y, z))


def inside_masks(grid: Grid) -> dict[str, np.ndarray]:
    """Which voxel centres lie in each structure."""
    masks = {name: np.zeros(grid.shape, dtype=bool) for name in anatomy.STRUCTURES}
    for k, section in enumerate(sections(grid)):
        for name, shape in anatomy.STRUCTURES.items():
            masks[name][k] = section.depth(shape) > 0
    return masks


def aim_beams(ct: Volume, grid: Grid, masks: dict[str, np.ndarray], body: np.ndarray) -> list[Beam]:
    """The beams of the plan at the body's voxels of the dose grid (flat indices); the isocentre is the middle of the targets."""
    targets = np.nonzero(np.any([masks[name] for name in anatomy.PRESCRIPTION_GY], axis=0).ravel())[0]
    isocentre = _world(grid, targets).mean(axis=0)
    offset = np.abs(_world(grid, targets) - isocentre)
    half_field = float(offset[:, 2].max()) + FIELD_MARGIN_MM, float(np.hypot(offset[:, 0], offset[:, 1]).max()) + FIELD_MARGIN_MM
    density = Volume(np.clip(1 + ct.array / np.float32(1000), 0, 2), ct.grid)
    points = _world(grid, body)
    return [aim(gantry, isocentre, points, density, half_field) for gantry in GANTRY_DEG]


def planning_goals(grid: Grid, masks: dict[str, np.ndarray], body: np.ndarray) -> Goals:
    """Targets their prescription; organs their limits; elsewhere a dose that falls with the distance from the targets."""
    inside = {name: mask.ravel()[body] for name, mask in masks.items()}
    away = {name: _distance(masks[name], grid).ravel()[body] for name in anatomy.PRESCRIPTION_GY}
    least, weight = np.zeros(len(body)), np.full(len(body), BODY_WEIGHT)
    most = np.max([gray * np.maximum(0.3, 1 - away[name] / 45) for name, gray in anatomy.PRESCRIPTION_GY.items()], axis=0)
    for name, (limit, cost) in ORGAN_GOALS.items():
        most[inside[name]], weight[inside[name]] = np.minimum(most[inside[name]], limit), cost
    spill = np.max([gray * 1.02 - FALL_GY_PER_MM * away[name] for name, gray in anatomy.PRESCRIPTION_GY.items()], axis=0)
    for name, gray in anatomy.PRESCRIPTION_GY.items():
        here = inside[name]
        least[here], most[here], weight[here] = gray * 1.005, np.maximum(gray * 1.025, spill[here]), 1.0
    return Goals(least, most, weight)


def optimise(beams: list[Beam], goals: Goals, iterations: int = ITERATIONS) -> np.ndarray:
    """(beams, v, u) non-negative fluences with the least weighted square excess: projected gradient, Barzilai-Borwein steps."""
    apertures = np.stack([beam.aperture(goals.least > 0) for beam in beams])
    fluences = apertures.astype(float)
    dose = np.asarray(sum(beam.dose(fluence) for beam, fluence in zip(beams, fluences, strict=True)))
    fluences *= 70 / dose[goals.least > 0].mean()
    slope = _slope(beams, goals, fluences)
    step = 0.1 * np.abs(fluences).max() / np.abs(slope).max()
    for _ in range(iterations):
        moved = np.maximum(fluences - step * slope, 0) * apertures
        steeper = _slope(beams, goals, moved)
        change, bend = moved - fluences, steeper - slope
        fluences, slope = moved, steeper
        step = float(np.sum(change * change) / max(np.sum(change * bend), 1e-12))
    return fluences


def _slope(beams: list[Beam], goals: Goals, fluences: np.ndarray) -> np.ndarray:
    dose = sum(beam.dose(fluence) for beam, fluence in zip(beams, fluences, strict=True))
    pull = goals.weight * goals.excess(np.asarray(dose))
    return np.stack([beam.gradient(pull) for beam in beams])


def _important(goals: Goals) -> np.ndarray:
    """Indices of the points the optimisation looks at: evenly picked, the costly ones ten times as densely."""
    costly = np.nonzero(goals.weight > BODY_WEIGHT)[0]
    rest = np.nonzero(goals.weight <= BODY_WEIGHT)[0]
    return np.concatenate([costly[:: max(1, len(costly) * 4 // (3 * POINTS))], rest[:: max(1, len(rest) * 4 // POINTS)]])


def _normalisation(gray: np.ndarray, masks: dict[str, np.ndarray]) -> float:
    """So that 95 % of the high-dose target get its prescription."""
    return float(anatomy.PRESCRIPTION_GY["PTV70"] / np.percentile(gray[masks["PTV70"]], 5))


def _world(grid: Grid, flat: np.ndarray) -> np.ndarray:
    """(n, 3) LPS mm of voxels by flat index."""
    k, j, i = np.unravel_index(flat, grid.shape)
    return grid.to_world(np.stack([i, j, k], axis=-1))


def _distance(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """mm from a region, 0 in it."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(grid.spacing)
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    return np.maximum(sitk.GetArrayFromImage(distance), 0)
