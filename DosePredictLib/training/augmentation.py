"""Random changes of a batch that leave its meaning intact (DoseDiff: flips, rotations, zoom)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Recipe

EMPTY = -0.999  # of the unit of CT: what shows nothing


@dataclass(frozen=True)
class Augmentation:
    """flip: probability of a left-right mirror. rotation: degrees, zoom: factor, shift_hu: HU; each the bound of a uniform draw.

    Zoom stands for another voxel size, so distances stay as they are. drop: probability of losing each organ.
    turned: probability that a volume is rotated, zoomed and bent. bend: voxels of a smooth displacement within its slices; for
    fluence_net, of whole slices.
    turns_deg: of copies among which a volumetric network draws, beside the patient as he is:
    multiples of the angle between equally spaced fields, under which other doses of these fields are as likely (C3D).
    copies: how often one of them is drawn; for fluence_net, one of another shape (``deformation.reshaped``).
    blank_ct: probability that the CT shows water wherever it shows anything.
    short_ct: probability that the CT, and the plans with it, end before the patient does, as for some of OpenKBP's.
    upside_down: probability of a mirror from head to foot, which coplanar fields allow.
    symmetric_until: step after which nothing is mirrored, and no copies are drawn; 0 for never. Mirror images give more
    patients to learn from, but hide that left and right are not alike: OpenKBP's plans spare left parotids more than right ones.
    """

    flip: float = 0.5
    rotation: float = 10.0
    zoom: float = 1.2
    bend: float = 0.0
    shift_hu: float = 20.0
    drop: float = 0.05
    turned: float = 1.0
    turns_deg: tuple[float, ...] = ()
    copies: float = 0.5
    upside_down: float = 0.0
    blank_ct: float = 0.0
    short_ct: float = 0.0
    symmetric_until: int = 0

    def at(self, step: int) -> Augmentation:
        """What holds in this step."""
        if not self.symmetric_until or step < self.symmetric_until:
            return self
        return replace(self, flip=0.0, turns_deg=(), upside_down=0.0)


def augment(batch: Tensor, recipe: Recipe, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """batch: (batch, channels + dose, rows, columns), the channels in the recipe's order, the dose last."""
    batch = torch.stack([mirrored(image, recipe.channels) if rng.random() < settings.flip else image for image in batch])
    batch = warped(batch, settings, rng)
    hu = torch.from_numpy(rng.uniform(-settings.shift_hu, settings.shift_hu, len(batch))).to(batch)
    low, high = recipe.ct_range_hu
    batch[:, 0] = torch.where(batch[:, 0] > EMPTY, batch[:, 0] + hu[:, None, None] * 2 / (high - low), batch[:, 0])
    return dropped(batch, recipe, settings.drop, rng)


def mirrored(image: Tensor, channels: Sequence[str]) -> Tensor:
    """The mirror image of (channels + others, ..., columns): columns reversed, and left organs become right ones."""
    order = [channels.index(other_side(name)) for name in channels]
    return image.flip(-1)[[*order, *range(len(order), len(image))]]


def warped(batch: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """Each image rotated and zoomed about its centre, bilinear, the edge repeated."""
    rows, columns = batch.shape[-2:]
    angle = np.radians(rng.uniform(-settings.rotation, settings.rotation, len(batch)))
    scale = np.exp(rng.uniform(-1, 1, len(batch)) * np.log(settings.zoom))
    cosine, sine, zero = np.cos(angle) * scale, np.sin(angle) * scale, np.zeros(len(batch))
    theta = np.stack([cosine, -sine * rows / columns, zero, sine * columns / rows, cosine, zero], axis=1).reshape(-1, 2, 3)
    grid = F.affine_grid(torch.from_numpy(theta).to(batch), list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def dropped(batch: Tensor, recipe: Recipe, probability: float, rng: np.random.Generator) -> Tensor:
    """Organs' distance maps replaced by what stands in for a missing structure."""
    first = len(recipe.channels) - len(recipe.structures)
    lost = torch.from_numpy(rng.random((len(batch), len(recipe.structures))) < probability).to(batch.device)
    organs = batch[:, first:-1]
    organs[lost] = recipe.missing_distance_mm / recipe.distance_unit_mm
    return batch


def other_side(name: str) -> str:
    swaps = {"_L": "_R", "_R": "_L"}
    return name[:-2] + swaps[name[-2:]] if name[-2:] in swaps else name
