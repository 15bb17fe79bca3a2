"""DiffDP (Feng et al., MICCAI 2023, sections 2.2-2.3): noise of a dose slice, guided by features of the patient's structures.

A structure encoder g turns CT and structures into six feature maps, and first learns to predict the dose from them alone. The
noise predictor f, a U-Net of six levels, adds the first three to its own features and attends to the last three.

How the paper's counts are read: six levels are the first convolution and five steps; the fifth step does not halve the
resolution, so both encoders end at 1/16 and five decoder blocks, of which the last does not enlarge, lead back. What the paper
does not say: widths; how f knows the noise intensity (scale and shift after the first normalisation of each ResBlock); the
head of g (all six maps summed at full resolution); the direction of cross-attention (dose asks, structures answer).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import TimeEmbedding, as_masks, conv, group_norm, zeroed

ADDED = 3  # feature maps of g that are added; f attends to the others
HEAD = 32  # channels, in which g's feature maps are summed to a dose


class ResBlock(nn.Module):
    """Twice convolution, group normalisation and Swish, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, noise_width: int = 0) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs), group_norm(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), group_norm(outputs)
        self.scale_shift = nn.Linear(noise_width, 2 * outputs) if noise_width else None
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        h = self.norm1(self.conv1(x))
        if self.scale_shift is not None and noise is not None:
            scale, shift = self.scale_shift(noise)[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        return F.silu(self.norm2(self.conv2(F.silu(h)))) + self.shortcut(x)


class Attention(nn.Module):
    """What pixels of x find where ``others`` are similar, beside a shortcut; ``others`` is x itself in self-attention."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_x, self.norm_others = group_norm(channels), group_norm(channels)
        self.query, self.key_value = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, 2 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor, others: Tensor) -> Tensor:
        key, value = self.key_value(self.norm_others(others)).chunk(2, dim=1)
        query = self.query(self.norm_x(x))
        found = F.scaled_dot_product_attention(self._tokens(query), self._tokens(key), self._tokens(value))
        return x + self.out(found.transpose(2, 3).reshape(x.shape))

    def _tokens(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, columns) -> (batch, heads, pixels, channels / heads)."""
        return x.reshape(len(x), self.heads, -1, x.shape[2] * x.shape[3]).transpose(2, 3)


class StructureEncoder(nn.Module):
    """g: (batch, channels, rows, columns) -> six feature maps, the first and one a step."""

    def __init__(self, channels: int, widths: Sequence[int], stem: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.PixelUnshuffle(stem), conv(channels * stem**2, widths[0]))
        self.blocks = nn.ModuleList(ResBlock(a, b) for a, b in pairwise([widths[0], *widths]))
        self.downs = downs(widths)
        self.to_head = nn.ModuleList(nn.Conv2d(width, HEAD, 1) for width in [widths[0], *widths])
        self.head = nn.Sequential(nn.SiLU(), conv(HEAD, stem**2), nn.PixelShuffle(stem))

    def forward(self, structures: Tensor) -> list[Tensor]:
        features = [self.first(structures)]
        for block, down in zip(self.blocks, self.downs, strict=True):
            features.append(down(block(features[-1])))
        return features

    def dose(self, features: Sequence[Tensor]) -> Tensor:
        """The dose g was pre-trained to predict, (batch, 1, rows, columns)."""
        parts = [project(x) for project, x in zip(self.to_head, features, strict=True)]
        size = parts[0].shape[-2:]
        return self.head(torch.stack([F.interpolate(part, size, mode="bilinear") for part in parts]).sum(dim=0))


class DecoderBlock(nn.Module):
    """Two ResBlocks over the features from below and from the side, then nearest neighbour by two and a 1x1 convolution."""

    def __init__(self, inputs: int, width: int, outputs: int | None, noise_width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([ResBlock(inputs, width, noise_width), ResBlock(width, width, noise_width)])
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, outputs, 1)) if outputs else nn.Identity()

    def forward(self, x: Tensor, beside: Tensor, noise: Tensor) -> Tensor:
        x = torch.cat([x, beside], dim=1)
        for block in self.blocks:
            x = block(x, noise)
        return self.up(x)


class NoisePredictor(nn.Module):
    """f(x_e, y_t, gamma_t): six levels, a bottleneck with self-attention, skip connections from each ResBlock.

    beside: channels that come with y_t where no features of the structures, x_e, guide it.
    """

    def __init__(self, widths: Sequence[int], noise_width: int, stem: int, *, beside: int = 0) -> None:
        super().__init__()
        deepest = widths[-1]
        self.intensity = nn.Sequential(TimeEmbedding(noise_width), nn.SiLU())
        self.first = nn.Sequential(nn.PixelUnshuffle(stem), conv((1 + beside) * stem**2, widths[0]))
        self.blocks = nn.ModuleList(ResBlock(a, b, noise_width) for a, b in pairwise([widths[0], *widths]))
        self.downs = downs(widths)
        self.cross = nn.ModuleList(Attention(width) for width in ([] if beside else widths[ADDED - 1 :]))
        self.middle = nn.ModuleList(ResBlock(deepest, deepest, noise_width) for _ in range(2))
        self.attention = Attention(deepest)
        above = [None, *widths[:-1]]
        self.decoder = nn.ModuleList(
            DecoderBlock(2 * width, width, up, noise_width) for width, up in zip(widths, above, strict=True)
        )
        self.head = nn.Sequential(zeroed(conv(widths[0], stem**2)), nn.PixelShuffle(stem))

    def forward(self, y_t: Tensor, gamma: Tensor, structures: Sequence[Tensor]) -> Tensor:
        noise = self.intensity(noise_angle(gamma)).to(y_t.dtype)
        h, kept = self._guided(self.first(y_t), 0, structures), []
        for number, (block, down) in enumerate(zip(self.blocks, self.downs, strict=True), start=1):
            kept.append(block(h, noise))
            h = self._guided(down(kept[-1]), number, structures)
        h = self.middle[0](h, noise)
        h = self.middle[1](self.attention(h, h), noise)
        for block in reversed(self.decoder):
            h = block(h, kept.pop(), noise)
        return self.head(h)

    def _guided(self, h: Tensor, number: int, structures: Sequence[Tensor]) -> Tensor:
        """Features of level ``number`` with those of the structures, where there are any."""
        if not structures:
            return h
        return h + structures[number] if number < ADDED else self.cross[number - ADDED](h, structures[number])


class DiffDP(nn.Module):
    """epsilon_theta(x, y_t, gamma_t).

    channels: of x, CT and prescription first, then distance maps, positive inside. widths: channels of the five steps.
    masks: whether the network sees the distance maps as masks only, as in the paper. stem: side of the blocks of pixels that
    become channels at the start (1 in the paper). guided: false for the paper's ablation without structure encoder, where x comes
    beside y_t at the input and there is no estimate. Rows and columns must be multiples of ``self.multiple``.
    """

    def __init__(
        self,
        *,
        channels: int,
        widths: Sequence[int] = (64, 96, 128, 128, 128),
        noise_width: int = 128,
        masks: bool = True,
        stem: int = 1,
        guided: bool = True,
    ) -> None:
        super().__init__()
        self.multiple, self.masks, self.guided = stem * 2 ** (len(widths) - 1), masks, guided
        self.structures = StructureEncoder(channels, widths, stem) if guided else None
        self.noise = NoisePredictor(widths, noise_width, stem, beside=0 if guided else channels)

    def encode(self, condition: Tensor) -> list[Tensor]:
        """What is the same in every step: the structures' features, or x. condition: x, (batch, channels, rows, columns)."""
        seen = as_masks(condition) if self.masks else condition
        return [seen] if self.structures is None else self.structures(seen)

    def estimate(self, features: Sequence[Tensor]) -> Tensor:
        """The structure encoder's own dose, without diffusion, (batch, 1, rows, columns). Raises ValueError without encoder."""
        if self.structures is None:
            raise ValueError("Without structure encoder there is no estimate.")
        return self.structures.dose(features)

    def forward(self, y_t: Tensor, gamma: Tensor, condition: Tensor | Sequence[Tensor]) -> Tensor:
        """y_t: (batch, 1, rows, columns). gamma: (batch,), abar_t. condition: as for ``encode``, or what it has returned."""
        features = self.encode(condition) if isinstance(condition, Tensor) else condition
        if not self.guided:
            return self.noise(torch.cat([y_t, *features], dim=1), gamma, [])
        return self.noise(y_t, gamma, features)


def downs(widths: Sequence[int]) -> nn.ModuleList:
    """What halves the resolution after each step but the last."""
    return nn.ModuleList([*(conv(width, width, stride=2) for width in widths[:-1]), nn.Identity()])


def noise_angle(gamma: Tensor) -> Tensor:
    """0 (no noise) to 1000 (no dose): the angle whose cosine is sqrt(gamma), which tells both ends of the schedule apart."""
    return torch.acos(gamma.float().clamp(0, 1).sqrt()) * (1000 / (math.pi / 2))
