"""A first plan by optimisation: the dose that simple fields reach when asked to cover the targets and spare the organs.

It is no prediction of what a planner does, but shows a network what these fields can do on this anatomy: where dose can fall
off, which way it streaks, what sparing one organ costs. On OpenKBP it alone errs by about 4.5 Gy (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array

from ..core import Volume
from ..core.parallel import in_threads
from .beams import NINE_FIELDS_DEG, Beam, beams_on, opened, voxel_points
from .fluence import Objective, best_fluence, influence

SAMPLING = 2  # every second voxel along each axis is enough to find the fluence


@dataclass(frozen=True)
class Objectives:
    """What a plan is asked for. normal: weight of dose outside the targets, beside 1 for the targets; organs: where it differs.

    shortfall: how much worse too little dose in a target is than too much. scale: of the wanted dose over the prescription.
    smoothness: of the fluence. iterations: few, so that the fluence stays smooth (early stopping).
    """

    normal: float = 0.02
    organs: Mapping[str, float] = field(default_factory=dict)
    shortfall: float = 2.0
    scale: float = 1.02
    smoothness: float = 0.5
    iterations: int = 40


def planned_doses(
    hu: Volume,
    region: np.ndarray,
    wanted: np.ndarray,
    organs: Mapping[str, np.ndarray],
    plans: Sequence[Objectives],
    angles_deg: Sequence[float] = NINE_FIELDS_DEG,
    shown: np.ndarray | None = None,
) -> np.ndarray:
    """(1 + plans, k, j, i) float32, zero outside ``shown``: dose of all beamlets open alike, then of each optimised plan.

    hu: CT, air outside the patient, on a grid along the patient's axes. region: [k, j, i] bool, where dose is of interest to the
    plans. shown: [k, j, i] bool, holds ``region`` and is where dose is computed; ``region`` itself where nothing else is said.
    wanted: [k, j, i] dose in the targets, in the unit of the result, 0 elsewhere. organs: [k, j, i] bool each.
    The first is scaled to the mean of ``wanted`` in the targets.
    """
    beams = beams_on(hu, wanted > 0, angles_deg)
    sampled = np.flatnonzero(region & lattice(wanted.shape))
    matrix = influence(beams, voxel_points(hu.grid, sampled))
    at_samples = {name: mask.ravel()[sampled] for name, mask in organs.items()}
    fluences = fluences_of(matrix, beams, wanted.ravel()[sampled], at_samples, plans)
    everywhere = opened(beams).astype(np.float32)
    doses = dose_of(np.stack([everywhere, *fluences], axis=1), beams, hu, np.flatnonzero(region if shown is None else shown))
    target = wanted > 0
    doses[0] *= wanted[target].mean() / max(float(doses[0][target].mean()), 1e-6)
    return doses


def lattice(shape: tuple[int, ...]) -> np.ndarray:
    """[k, j, i] bool: the voxels at which plans are optimised."""
    chosen = np.zeros(shape, bool)
    chosen[::SAMPLING, ::SAMPLING, ::SAMPLING] = True
    return chosen


def fluences_of(
    matrix: csr_array, beams: list[Beam], wanted: np.ndarray, organs: Mapping[str, np.ndarray], plans: Sequence[Objectives]
) -> list[np.ndarray]:
    """(beamlets,) of each plan, for doses ``wanted`` (n,) and ``organs`` (n,) bool at the points of ``matrix``."""
    return in_threads(
        lambda plan: best_fluence(matrix, beams, objective_at(wanted, organs, plan), plan.iterations),
        plans,
        cost=lambda plan: plan.iterations,
    )


def dose_of(fluences: np.ndarray, beams: Sequence[Beam], volume: Volume, voxels: np.ndarray) -> np.ndarray:
    """(n, k, j, i) float32: dose of n fluences (beamlets, n) at the ``voxels`` (flat index) of volume.grid; 0 elsewhere."""
    points = voxel_points(volume.grid, voxels)
    parts = np.split(fluences, np.cumsum([beam.open.size for beam in beams])[:-1])
    doses = np.zeros((fluences.shape[1], volume.array.size), np.float32)
    by_beam = in_threads(lambda pair: pair[0].influence(points) @ pair[1], zip(beams, parts, strict=True))
    doses[:, voxels] = sum(by_beam).T
    return doses.reshape(-1, *volume.array.shape)


def objective_at(wanted: np.ndarray, organs: Mapping[str, np.ndarray], plan: Objectives) -> Objective:
    """The cost of doses at sampled points: mean over the targets plus mean over everything else."""
    target = wanted > 0
    weight = np.full(wanted.shape, plan.normal, np.float32)
    for name, inside in organs.items():
        weight[inside] = plan.organs.get(name, plan.normal)
    inside_count, outside_count = (max(1, int(np.count_nonzero(part))) for part in (target, ~target))
    weight = np.where(target, 1 / inside_count, weight / outside_count).astype(np.float32) * 1000
    shortfall = np.where(target, np.float32(plan.shortfall), np.float32(1))
    return Objective((wanted * plan.scale).astype(np.float32), weight, shortfall, plan.smoothness)
