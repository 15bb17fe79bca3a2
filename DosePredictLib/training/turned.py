"""Patients turned about their long axis: another anatomy under the same fields, where these are equally spaced, as in C3D."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .dataset import Patient, kept


@dataclass(frozen=True)
class TurnedCopies:
    """Copies of patients turned by one of ``degrees``, kept in ``folder`` once made. multiple: of their sides.

    share: how often a copy is drawn, and not the patient as he is.
    """

    folder: Path
    degrees: tuple[float, ...]
    multiple: int
    share: float

    def drawn(self, patient: Patient, rng: np.random.Generator) -> Patient:
        """The patient, or one of his copies, which are equally likely."""
        if rng.random() >= self.share:
            return patient
        degrees = self.degrees[int(rng.integers(len(self.degrees)))]
        file = self.folder / f"{patient.id}@{degrees:g}.npz"
        return kept(file, patient.id, lambda: turned(patient, degrees, self.multiple))


def turned(patient: Patient, degrees: float, multiple: int) -> Patient:
    """Channels, dose and where it counts, turned from the columns' axis towards the rows' (in LPS from x to y).

    The copy's box is the smallest around what counts whose sides are multiples of ``multiple``. Beyond the patient's own box,
    where nothing counts, its edge is repeated.
    """
    channels = patient.channels.shape[1]
    images = torch.from_numpy(np.concatenate([patient.channels, patient.dose[:, None]], axis=1).astype(np.float32))
    counts = torch.from_numpy(patient.counts[:, None].astype(np.float32))
    matrix = sampling_matrix(degrees)
    reach = [int(np.ceil(np.hypot(*counts.shape[-2:])))] * 2
    there = (sampled(counts, matrix, reach, (0.0, 0.0), outside="zeros") > 0.5).any(dim=0)[0].numpy()
    box, middle = snug(there, multiple)
    sharp = sampled(images, matrix, box, middle, outside="border", mode="bicubic")
    low, high = images.amin(dim=(0, 2, 3), keepdim=True), images.amax(dim=(0, 2, 3), keepdim=True)
    values = sharp.clamp(low, high).numpy().astype(np.float16)  # bicubic overshoots
    counted = (sampled(counts, matrix, box, middle, outside="zeros") > 0.5)[:, 0].numpy()
    return replace(patient, channels=np.ascontiguousarray(values[:, :channels]), dose=values[:, channels], counts=counted)


def sampling_matrix(degrees: float) -> np.ndarray:
    """(2, 2), x and y: where a voxel of the copy comes from, both counted from the middle."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, sine], [-sine, cosine]])


def sampled(
    images: Tensor, matrix: np.ndarray, size: list[int], middle: tuple[float, float], *, outside: str, mode: str = "bilinear"
) -> Tensor:
    """(n, channels, rows, columns) -> (n, channels, *size). middle: of the new box in the turned frame, (x, y) voxels."""
    rows, columns = images.shape[-2:]
    y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    place = np.einsum("ab,bij->aij", matrix, np.stack([x + middle[0], y + middle[1]]))
    grid = np.stack([place[0] * 2 / columns, place[1] * 2 / rows], axis=-1)
    flat = images.reshape(1, -1, rows, columns)
    found = F.grid_sample(flat, torch.from_numpy(grid[None]).to(images), mode=mode, padding_mode=outside, align_corners=False)
    return found.reshape(*images.shape[:2], *size)


def snug(there: np.ndarray, multiple: int) -> tuple[list[int], tuple[float, float]]:
    """Sides (rows, columns) of the box around what is there, and its middle (x, y) counted from that of ``there``."""
    size, middle = [], []
    for axis in (0, 1):
        places = np.flatnonzero(there.any(axis=1 - axis))
        first, last = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
        size.append(-(-(last - first + 1) // multiple) * multiple)
        middle.append((first + last) / 2 - (there.shape[axis] - 1) / 2)
    return size, (middle[1], middle[0])
