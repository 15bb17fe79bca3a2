"""ADDiff-Dose (Xie et al., arXiv 2508.02043): diffusion of a patient's dose in the latent space of an autoencoder.

A light variational autoencoder learns to shorten doses to a quarter of the resolution in all three directions. A U-Net learns to
denoise such latents. It sees the patient's CT and structures, encoded to the same resolution, beside the noisy latent, and in its
deeper levels attends to a few tokens: the same features pooled, and the context (technique, site, prescription).

The paper encodes the CT, prints a diffusion of the CT's own latent, and never encodes the dose; here the dose is what is encoded
and diffused, and the CT is a condition. Its four convolutions of stride 2 leave one latent voxel of a patch; here there are two.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Doubling3d, Halving3d, Same3d, TimeEmbedding
from .volume_unet import Block

FACTOR = 4  # voxels to a side of a latent voxel
POOLED = 4  # tokens to a side of the volume
LEVELS = 3  # prescription levels: of PTV_High, PTV_Mid, PTV_Low
USUAL_GY = 70.0


class Context(NamedTuple):
    """What is known of a treatment beside its images.

    technique, site: (batch,) int64, places in the vocabularies. levels_gy: (batch, 3), 0 where there is no such target.
    """

    technique: Tensor
    site: Tensor
    levels_gy: Tensor


class Encoded(NamedTuple):
    """What the U-Net sees of a patient, the same in every step.

    features: (batch, channels, k/4, j/4, i/4). tokens: (batch, count, context_width).
    """

    features: Tensor
    tokens: Tensor


class Encoder(nn.Module):
    """(batch, inputs, k, j, i) -> (batch, outputs, k/4, j/4, i/4); the first convolution already halves the resolution.

    Beside it a linear map of each block of voxels, with which learning starts where principal components would be.
    """

    def __init__(self, inputs: int, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        half, quarter = widths
        self.linear = nn.Conv3d(inputs, outputs, FACTOR, stride=FACTOR)
        self.beside = nn.Sequential(
            nn.Conv3d(inputs, half, 2, stride=2),
            Block(half, half),
            nn.Conv3d(half, quarter, 2, stride=2),
            Block(quarter, quarter),
            nn.Conv3d(quarter, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.beside(x)


class Decoder(nn.Module):
    """(batch, latent, k/4, j/4, i/4) -> (batch, 1, k, j, i), not held below 1 as by the paper's sigmoid."""

    def __init__(self, latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        half, quarter = widths
        self.linear = nn.ConvTranspose3d(latent, 1, FACTOR, stride=FACTOR)
        self.beside = nn.Sequential(
            Same3d(latent, quarter),
            Block(quarter, quarter),
            nn.ConvTranspose3d(quarter, half, 2, stride=2),
            Block(half, half),
            nn.ConvTranspose3d(half, 1, 2, stride=2),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z) + self.beside(z)


class DoseAutoencoder(nn.Module):
    """The variational autoencoder of doses; widths: at 1/2 and 1/4 of the resolution."""

    def __init__(self, latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = Encoder(1, widths, 2 * latent)
        self.decoder = Decoder(latent, widths)

    def posterior(self, dose: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | dose), each (batch, latent, k/4, j/4, i/4)."""
        mean, log_variance = self.encoder(dose).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)


class Attention(nn.Module):
    """What each position of x finds among the tokens, beside a shortcut; starts as nothing."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.found = nn.MultiheadAttention(width, heads, kdim=context_width, vdim=context_width, batch_first=True)
        nn.init.zeros_(self.found.out_proj.weight)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        positions = self.norm(x).flatten(2).transpose(1, 2)
        found, _ = self.found(positions, tokens, tokens, need_weights=False)
        return x + found.transpose(1, 2).reshape(x.shape)


class LatentUNet(nn.Module):
    """(batch, inputs, k, j, i) -> (batch, outputs, k, j, i); every level below the first attends to the tokens.

    widths: from the latent's resolution downwards; sides are multiples of 2 ** (len(widths) - 1). The answer starts as zero.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], time_width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(inputs, widths[0], 1)
        self.down = nn.ModuleList(Block(width, width, time_width) for width in widths)
        self.shrink = nn.ModuleList(Halving3d(upper, lower, 2, stride=2) for upper, lower in pairwise(widths))
        self.attend = nn.ModuleList(Attention(width, context_width, heads) for width in widths[1:])
        self.middle = Block(widths[-1], widths[-1], time_width)
        self.enlarge = nn.ModuleList(Doubling3d(lower, upper, 2, stride=2) for upper, lower in pairwise(widths))
        self.up = nn.ModuleList(Block(2 * width, width, time_width) for width in widths[:-1])
        self.answer = nn.Conv3d(widths[0], outputs, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor, tokens: Tensor) -> Tensor:
        y, kept = self.down[0](self.first(x), time), []
        for shrink, block, attend in zip(self.shrink, self.down[1:], self.attend, strict=True):
            kept.append(y)
            y = attend(block(shrink(y), time), tokens)
        y = self.middle(y, time)
        for enlarge, block in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            y = block(torch.cat([enlarge(y), kept.pop()], dim=1), time)
        return self.answer(y)


class ADDiffDose(nn.Module):
    """epsilon_theta(z_t, t, C), or v, as the recipe's diffusion says.

    channels: of the condition, in the recipe's order: CT, prescription, three targets, organs. techniques, sites: the vocabulary
    of contexts. latent: channels of z. vae_widths, condition_widths: at 1/2 and 1/4 of the resolution. widths: of the U-Net, from
    1/4 downwards. masks: the network sees masks of the structures, as in the paper, not their distance maps.
    patch: sides k, j, i of the pieces a patient is denoised in, in voxels, and overlap: of neighbours; no patch, one piece.

    Sides of a volume, and of a patch, are multiples of ``self.multiple``. Raises ValueError for a patch that is not.
    """

    center: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        channels: int,
        techniques: Sequence[str],
        sites: Sequence[str],
        latent: int = 8,
        vae_widths: Sequence[int] = (32, 64),
        condition_widths: Sequence[int] = (32, 64),
        widths: Sequence[int] = (96, 112, 128),
        context_width: int = 128,
        heads: int = 4,
        masks: bool = False,
        patch: Sequence[int] = (),
        overlap: int = 16,
    ) -> None:
        super().__init__()
        self.techniques, self.sites = tuple(techniques), tuple(sites)
        self.masks, self.patch, self.overlap = masks, tuple(patch), overlap
        self.multiple = FACTOR * 2 ** (len(widths) - 1)
        _check_patch(self.patch, overlap, self.multiple)
        self.vae = DoseAutoencoder(latent, vae_widths)
        self.register_buffer("center", torch.zeros(latent))
        self.register_buffer("scale", torch.zeros(latent))  # 0: not yet measured
        ct, structures = condition_widths[1] // 4, condition_widths[1]
        self.ct = Encoder(1, [width // 2 for width in condition_widths], ct)
        self.structures = Encoder(channels - 1, condition_widths, structures)
        self.pooled = nn.Linear(ct + structures + 3, context_width)
        self.technique, self.site = nn.Embedding(len(techniques), context_width), nn.Embedding(len(sites), context_width)
        self.prescription = nn.Sequential(nn.Linear(LEVELS, context_width), nn.SiLU(), nn.Linear(context_width, context_width))
        self.tokens = nn.LayerNorm(context_width)
        self.time = nn.Sequential(TimeEmbedding(context_width), nn.SiLU())
        self.unet = LatentUNet(latent + ct + structures, latent, widths, context_width, context_width, heads)

    def encode(self, condition: Tensor, context: Context) -> Encoded:
        """condition: (batch, channels, k, j, i)."""
        structures = condition[:, 1:]
        if self.masks:
            structures = torch.cat([structures[:, :1], (structures[:, 1:] > 0).to(structures)], dim=1)
        features = torch.cat([self.ct(condition[:, :1]), self.structures(structures)], dim=1)
        return Encoded(features, self.tokens(torch.cat([self._pooled(features), self._known(context)], dim=1)))

    def forward(self, z_t: Tensor, t: Tensor, encoded: Encoded) -> Tensor:
        """z_t: (batch, latent, k/4, j/4, i/4). t: (batch,)."""
        time = self.time(t).to(encoded.features.dtype)
        return self.unet(torch.cat([z_t.to(encoded.features), encoded.features], dim=1), time, encoded.tokens)

    def to_latent(self, dose: Tensor) -> Tensor:
        """The most likely latent, of about unit variance, of a dose (batch, 1, k, j, i)."""
        return (self.vae.posterior(dose)[0] - _channelwise(self.center)) / _channelwise(self.scale)

    def to_dose(self, z: Tensor) -> Tensor:
        """(batch, 1, k, j, i) in the recipe's unit."""
        return self.vae.decoder(z * _channelwise(self.scale) + _channelwise(self.center)).float()

    def _pooled(self, features: Tensor) -> Tensor:
        """Means over the parts of the volume, each with the place of its part."""
        pooled = F.adaptive_avg_pool3d(features.float(), POOLED).flatten(2).transpose(1, 2)
        side = torch.linspace(-1, 1, POOLED, device=features.device)
        places = torch.cartesian_prod(side, side, side).expand(len(features), -1, -1)
        return self.pooled(torch.cat([pooled, places], dim=2))

    def _known(self, context: Context) -> Tensor:
        known = [self.technique(context.technique), self.site(context.site), self.prescription(context.levels_gy / USUAL_GY)]
        return torch.stack(known, dim=1)


def _channelwise(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _check_patch(patch: Sequence[int], overlap: int, multiple: int) -> None:
    if patch and (len(patch) != 3 or any(side < 1 or side % multiple for side in patch)):
        raise ValueError(f"a patch of {'x'.join(map(str, patch))} voxels has no three sides that are multiples of {multiple}")
    if patch and not (0 <= overlap < min(patch) and overlap % FACTOR == 0):
        raise ValueError(f"an overlap of {overlap} voxels is no multiple of {FACTOR} that is less than a patch")
