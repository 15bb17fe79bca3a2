"""Patients of other sizes and shapes: whole volumes rotated, zoomed and bent, dose and all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Recipe
from .augmentation import EMPTY, Augmentation

SHORT = 4  # voxels at most that a CT ends before the patient does
KNOTS = 4  # of a random displacement along a row and along a column: as long as half a neck is wide
ALONG_KNOTS = 5  # of a random curve along the patient: some 50 mm apart


def deformed(volume: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """(channels + dose + counts, k, j, i), changed by draws from the bounds that ``settings`` give.

    Rotated about the axis k, zoomed within slices and apart from that along k, and bent within slices, all of them alike.
    Distances in the channels stay as they are, as the dose falls off with them.
    """
    angle = np.radians(rng.uniform(-settings.rotation, settings.rotation))
    zooms = np.exp(rng.uniform(-1, 1, 3) * np.log(settings.zoom))
    volume = within_slices(volume, angle, zooms[:2], displacements(volume.shape[-2:], settings.bend, rng))
    return along_axis(volume, zooms[2])


def within_slices(volume: Tensor, angle: float, zooms: np.ndarray, bend: Tensor | None = None) -> Tensor:
    """Every slice of (channels + dose + counts, k, j, i) alike, bilinear; beyond the edge its nearest voxel, not counted.

    angle: in radians. zooms: (2,) of columns and rows. bend: (j, i, 2) of displacements, as shares of half the columns and rows.
    """
    rows, columns = volume.shape[-2:]
    cosine, sine = np.cos(angle) / zooms, np.sin(angle) / zooms
    theta = np.array([[cosine[0], -sine[0] * rows / columns, 0.0], [sine[1] * columns / rows, cosine[1], 0.0]])
    grid = F.affine_grid(torch.from_numpy(theta).to(volume)[None], [1, 1, rows, columns], align_corners=False)
    if bend is not None:
        grid = grid + bend.to(grid)
    return sampled(volume.flatten(0, 1)[None], volume.shape[1], grid)[0].reshape(volume.shape)


def sampled(images: Tensor, counts: int, grid: Tensor) -> Tensor:
    """(n, channels, j, i) at ``grid`` (n, j, i, 2), bilinear; the last ``counts`` channels say where the others count."""
    shown, counted = images.split([images.shape[1] - counts, counts], dim=1)
    shown = F.grid_sample(shown, grid, padding_mode="border", align_corners=False)
    counted = F.grid_sample(counted, grid, padding_mode="zeros", align_corners=False)
    return torch.cat([shown, (counted > 0.5).float()], dim=1)


def displacements(shape: Sequence[int], voxels: float, rng: np.random.Generator) -> Tensor | None:
    """(*shape, 2) smooth and random, as shares of half the columns and rows; ``voxels`` bounds them at their knots."""
    if not voxels:
        return None
    knots = torch.from_numpy(rng.uniform(-voxels, voxels, (1, 2, KNOTS, KNOTS)).astype(np.float32))
    smooth = F.interpolate(knots, list(shape), mode="bicubic", align_corners=True)[0].permute(1, 2, 0)
    return smooth * 2 / torch.tensor([shape[1], shape[0]])


def along_axis(volume: Tensor, zoom: float) -> Tensor:
    """(channels + dose + counts, k, j, i) zoomed about its middle slice."""
    middle = (volume.shape[1] - 1) / 2
    return slices_at(volume, middle + (torch.arange(volume.shape[1]) - middle) / zoom)


def slices_at(volume: Tensor, position: Tensor) -> Tensor:
    """(channels + dose + counts, k, j, i) at each ``position`` (k,) along k, linear; beyond the last slice nothing counts."""
    last = volume.shape[1] - 1
    nearest = position.clamp(0, last)
    below = nearest.floor().long().clamp(max=max(0, last - 1))
    weight = (nearest - below)[:, None, None]
    sampled = volume[:, below].lerp(volume[:, (below + 1).clamp(max=last)], weight)
    sampled[-1] = (sampled[-1] > 0.5) & (position == nearest)[:, None, None]
    return sampled


def reshaped(volume: Tensor, zoom: float, bend: float, rng: np.random.Generator) -> Tensor:
    """(channels + dose + counts, k, j, i) whose slices are zoomed, moved and set apart otherwise, smoothly along the patient.

    Rays of coplanar fields stay within slices, but for their divergence, and keep their angles: so the same fields give such a
    dose, by another fluence. zoom: bound of the factors over the whole patient. bend: voxels that slices move at most.
    """
    slices, (rows, columns), bound = volume.shape[1], volume.shape[-2:], float(np.log(zoom))
    across, along = rng.uniform(-bound, bound, 2)
    position = torch.exp(-along - curve(slices, bound, rng)).cumsum(0)
    volume = slices_at(volume, position - position[slices // 2] + slices // 2)
    theta = torch.zeros(slices, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = torch.exp(-across - curve(slices, bound / 2, rng))
    theta[:, 0, 2], theta[:, 1, 2] = (2 * curve(slices, bend, rng) / size for size in (columns, rows))
    grid = F.affine_grid(theta, [slices, 1, rows, columns], align_corners=False)
    return sampled(volume.swapaxes(0, 1), 1, grid).swapaxes(0, 1)


def curve(length: int, bound: float, rng: np.random.Generator) -> Tensor:
    """(length,) smooth and random; ``bound`` bounds it at its knots."""
    knots = torch.from_numpy(rng.uniform(-bound, bound, (1, 1, ALONG_KNOTS, 1)).astype(np.float32))
    return F.interpolate(knots, [length, 1], mode="bicubic", align_corners=True).flatten()


def shortened(volume: Tensor, recipe: Recipe, rng: np.random.Generator) -> None:
    """The CT of (channels + dose + counts, k, j, i) ends up to ``SHORT`` voxels before the patient, in place; plans one later."""
    missing = (volume[None, :1] <= EMPTY).float()
    missing = grown(missing, int(rng.integers(1, SHORT + 1)))
    volume[0][missing[0, 0] > 0] = -1.0
    first = len(recipe.channels) - len(recipe.planned)
    volume[first : len(recipe.channels)] *= grown(1 - missing, 1)[0]


def grown(mask: Tensor, voxels: int) -> Tensor:
    """(1, 1, k, j, i), within each slice."""
    return F.max_pool3d(mask, (1, 2 * voxels + 1, 2 * voxels + 1), stride=1, padding=(0, voxels, voxels))
