"""CT and contours of the synthetic patient."""

from __future__ import annotations

import numpy as np

from ..core import Grid, Structure, StructureSet, Volume
from . import anatomy
from .isolines import isolines
from .shapes import Section

FIELD_OF_VIEW_MM = 500.0
NOISE_HU = 9.0


def scan_grid(spacing_mm: tuple[float, float, float]) -> Grid:
    """The scan of the whole patient with axes x, y, z ascending."""
    x, y, z = spacing_mm
    height = anatomy.TOP_MM - anatomy.BOTTOM_MM
    size = (round(FIELD_OF_VIEW_MM / x), round(FIELD_OF_VIEW_MM / y), round(height / z))
    origin = (-(size[0] - 1) * x / 2, 20 - (size[1] - 1) * y / 2, anatomy.BOTTOM_MM + z / 2)
    return Grid(size, spacing_mm, origin)


def sections(grid: Grid) -> list[Section]:
    """The slices of a grid whose axes are x, y, z ascending."""
    x, y, z = (grid.origin[n] + grid.spacing[n] * np.arange(grid.size[n]) for n in range(3))
    return [Section(x, y, height) for height in z.tolist()]


def scan_patient(grid: Grid, *, seed: int) -> tuple[Volume, StructureSet]:
    """CT in HU, and the contours of every structure on its slices."""
    hu = np.full(grid.shape, anatomy.AIR, dtype=np.float32)
    contours: dict[str, list[np.ndarray]] = {name: [] for name in anatomy.STRUCTURES}
    for image, section in zip(hu, sections(grid), strict=True):
        _paint(image, section, grid.spacing[0])
        for name, shape in anatomy.STRUCTURES.items():
            contours[name] += [_polygon(loop, grid, section.z) for loop in isolines(section.depth(shape))]
    numbered = enumerate(contours.items(), 1)
    structures = (Structure(name, tuple(loops), number, interpreted_type=_kind(name)) for number, (name, loops) in numbered)
    return Volume(_noisy(hu, seed), grid), StructureSet(tuple(structures))


def _paint(image: np.ndarray, section: Section, pixel_mm: float) -> None:
    """Lay the tissues over each other in place; a pixel that a surface crosses gets its share of both. All lie in the body."""
    body = section.depth(anatomy.BODY)
    everywhere = np.full_like(body, np.inf)
    paint = [(shape, hu, everywhere) for shape, hu in anatomy.COUCH_PAINT] + [(shape, hu, body) for shape, hu in anatomy.CT_PAINT]
    for shape, hu, limit in paint:
        depth = section.depth(shape)
        if depth is section.nothing:
            continue
        touched = np.nonzero(depth > -pixel_mm / 2)
        within = np.minimum(depth[touched], limit[touched])
        image[touched] += np.clip(within / pixel_mm + 0.5, 0, 1) * (np.float32(hu) - image[touched])


def _noisy(hu: np.ndarray, seed: int) -> np.ndarray:
    """Noise correlated over neighbours as after reconstruction, stronger behind much bone and through the shoulders; int16."""
    noise = np.random.default_rng(seed).standard_normal(hu.shape, dtype=np.float32)
    for axis in (1, 2):
        noise = (2 * noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)) / np.float32(np.sqrt(6))
    width, bone = ((hu > level).mean(axis=(1, 2), keepdims=True) for level in (-300, 300))
    return np.clip(np.rint(hu + NOISE_HU * (0.5 + 3 * width + 8 * bone) * noise), -1024, 3071).astype(np.int16)


def _polygon(loop: np.ndarray, grid: Grid, z: float) -> np.ndarray:
    points = loop * grid.spacing[:2] + np.array(grid.origin[:2])
    return np.column_stack([points, np.full(len(points), z)])


def _kind(name: str) -> str:
    """RTROIInterpretedType."""
    if name == "External":
        return "EXTERNAL"
    return "PTV" if name.startswith("PTV") else "ORGAN"
