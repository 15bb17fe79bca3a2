"""Simulated measurements: what a measurement-based reconstruction of a plan's dose may differ from it by.

No measured doses are public. A simulated one is the planned dose, changed by seven effects, each of which is systematic (a mean,
the same for all plans of a machine) and varies from plan to plan (a standard deviation). What a network can learn is the
systematic part. The sizes are assumptions within what is reported for commissioned machines, not fits to any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..core import DoseGrid, Grid, ModelError

LUNG_HU, TISSUE_HU = -700.0, -200.0  # wholly low in density, and not at all
ELECTRON_RANGE_MM = 10.0  # over which a 6 MV beam's dose builds up again; about its depth of maximum
PADDING = 8  # voxels around a dose, so that the end of one side does not reach the other
LEAST_INSIDE = 0.05  # of a blurred voxel; less is too little to divide by

Spread = tuple[float, float]
"""Mean, and standard deviation from plan to plan."""


@dataclass(frozen=True)
class SimulatedMeasurement:
    """How simulated measurements differ from the planned dose.

    output_percent: of the dose everywhere (output factor). leaf_bank_mm: by which a field's edge lies outside its place.
    setup_mm: of the detector along each axis. penumbra_mm: standard deviation of the Gaussian that broadens the planned penumbra.
    low_density_percent: of the dose in lung or air. detector_mm: standard deviation of a chamber's lateral response.
    noise_percent: standard deviation as a share of the maximum dose, correlated over noise_mm.
    """

    seed: int = 0
    output_percent: Spread = (-1.0, 0.5)
    leaf_bank_mm: Spread = (0.4, 0.1)
    setup_mm: Spread = (0.0, 0.3)
    penumbra_mm: Spread = (2.0, 0.2)
    low_density_percent: Spread = (-4.0, 1.0)
    detector_mm: float = 2.0
    noise_percent: float = 0.2
    noise_mm: float = 4.0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> SimulatedMeasurement:
        """As a model card has them. Raises ModelError for settings this version does not know."""
        if unknown := set(settings) - {f.name for f in fields(cls)}:
            raise ModelError(f"The model's card simulates measurements by {', '.join(sorted(unknown))}, unknown to this version.")
        given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
        return cls(**given)


def simulated_measurement(
    planned: DoseGrid, hu: np.ndarray | None, settings: SimulatedMeasurement, rng: np.random.Generator
) -> DoseGrid:
    """A simulated measurement of ``planned`` on its grid. hu: CT on the same voxels, None where unknown (no low density then).

    Dose that is zero stays zero: outside the patient nothing is reconstructed.
    """
    grid, inside = planned.grid, planned.gray > 0
    gray = planned.gray.astype(np.float64)
    gray = gray * (1 + drawn(settings.output_percent, rng) / 100)
    shift = np.array([drawn(settings.setup_mm, rng) for _ in "xyz"])
    blur = float(np.hypot(max(0.0, drawn(settings.penumbra_mm, rng)), settings.detector_mm))
    gray = blurred(gray, inside, grid, blur_mm=blur, shift_mm=shift)
    gray = gray + drawn(settings.leaf_bank_mm, rng) * steepness(gray, grid)  # blurred: the skin is no field edge
    error = drawn(settings.low_density_percent, rng) / 100
    if hu is not None:
        gray = gray * (1 + error * lowness(np.where(inside, hu, 0), grid))
    gray = gray + settings.noise_percent / 100 * float(planned.gray.max()) * correlated_noise(grid, settings.noise_mm, rng)
    return DoseGrid(np.where(inside, np.maximum(gray, 0), 0).astype(np.float32), grid)


def drawn(spread: Spread, rng: np.random.Generator) -> float:
    return float(rng.normal(*spread))


def steepness(gray: np.ndarray, grid: Grid) -> np.ndarray:
    """|gradient| across the patient's long axis, Gy/mm: gained per mm that an isodose moves outwards (to first order)."""
    rows, columns = np.gradient(gray, grid.spacing[1], grid.spacing[0], axis=(1, 2))
    return np.hypot(rows, columns)


def blurred(gray: np.ndarray, inside: np.ndarray, grid: Grid, *, blur_mm: float, shift_mm: np.ndarray) -> np.ndarray:
    """Convolved with a Gaussian and moved by (x, y, z) along the grid's axes; beyond ``inside`` nothing is mixed in."""
    weight = filtered(inside.astype(float), grid, blur_mm, shift_mm)
    return filtered(np.where(inside, gray, 0), grid, blur_mm, shift_mm) / np.maximum(weight, LEAST_INSIDE)


def filtered(array: np.ndarray, grid: Grid, blur_mm: float, shift_mm: np.ndarray | None = None) -> np.ndarray:
    """With the transfer function exp(-(sigma k)^2 / 2 - i k shift), which is exact on any grid; beyond the edge, its voxel."""
    shift = np.zeros(3) if shift_mm is None else shift_mm
    spectrum = np.fft.rfftn(np.pad(array, PADDING, mode="edge"))
    padded = [n + 2 * PADDING for n in array.shape]
    for axis, (count, spacing, moved) in enumerate(zip(padded, grid.spacing[::-1], shift[::-1], strict=True)):
        frequencies = np.fft.rfftfreq(count, spacing) if axis == 2 else np.fft.fftfreq(count, spacing)
        k = 2 * np.pi * frequencies.reshape([-1 if a == axis else 1 for a in range(3)])
        spectrum *= np.exp(-0.5 * (blur_mm * k) ** 2 - 1j * k * moved)
    return np.fft.irfftn(spectrum, padded, axes=(0, 1, 2))[(slice(PADDING, -PADDING),) * 3]


def lowness(hu: np.ndarray, grid: Grid) -> np.ndarray:
    """1 deep in lung or air, 0 in tissue, smooth over the range of electrons."""
    low = np.clip((TISSUE_HU - hu) / (TISSUE_HU - LUNG_HU), 0, 1)
    return np.clip(filtered(low, grid, ELECTRON_RANGE_MM / 2), 0, 1)


def correlated_noise(grid: Grid, correlation_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of mean 0 and standard deviation 1, smooth over ``correlation_mm``."""
    noise = filtered(rng.normal(size=grid.shape), grid, correlation_mm)
    return (noise - noise.mean()) / noise.std()


def generator_of(settings: SimulatedMeasurement, patient: str) -> np.random.Generator:
    """The same patient is always measured in the same way, whichever others there are."""
    return np.random.default_rng([settings.seed, *patient.encode()])
