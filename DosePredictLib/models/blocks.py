"""Blocks the networks share (ADM, Dhariwal and Nichol 2021)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .hardware import convolved

Convolution = TypeVar("Convolution", nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, 16), channels)


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return (Halving2d if stride == 2 else nn.Conv2d)(inputs, outputs, 3, stride=stride, padding=1)


class Halving2d(nn.Conv2d):
    """A 3x3 convolution of stride 2 that never leaves a single column.

    There oneDNN's bfloat16 kernels for AMX read memory that is not theirs (PyTorch 2.13; compare uxlfoundation/oneDNN#5717).
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 2)))[..., :1] if x.shape[-1] == 2 else super().forward(x)


class Halving3d(nn.Conv3d):
    """The same in three dimensions, of side 2 or 3."""

    def forward(self, x: Tensor) -> Tensor:
        return convolved(self, F.pad(x, (0, 2)))[..., :1] if x.shape[-1] == 2 else convolved(self, x)


class Same3d(nn.Conv3d):
    """A 3x3x3 convolution that keeps the size and never sees just two slices.

    There the gradient of its weights is wrong by orders of magnitude in oneDNN's bfloat16 kernels without AMX (PyTorch 2.13).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] != 2:
            return convolved(self, x)
        return convolved(self, F.pad(x, (0, 0, 0, 0, 0, 1)))[:, :, :2]


class Doubling3d(nn.ConvTranspose3d):
    """A transposed 2x2x2 convolution of stride 2 that never begins with one column, where its gradient has the same fault."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(F.pad(x, (0, 1)))[..., :2] if x.shape[-1] == 1 else super().forward(x)


def zeroed(module: Convolution) -> Convolution:
    """A convolution that starts as zero, so that a residual branch starts as nothing."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def as_masks(condition: Tensor, end: int | None = None) -> Tensor:
    """Channels: CT, prescription, distance maps until ``end``, others. The maps as what is inside, 0 or 1; the rest as it is."""
    maps = (condition[:, 2:end] > 0).to(condition)
    return torch.cat([condition[:, :2], maps, condition[:, 2 + maps.shape[1] :]], dim=1)


def halved(volume: Tensor) -> Tensor:
    """(batch, channels, k, j, i) at half the resolution."""
    return F.avg_pool3d(volume, 2)


def doubled(volume: Tensor) -> Tensor:
    """(batch, channels, k, j, i) at twice the resolution, linear between the centres of voxels."""
    return F.interpolate(volume, scale_factor=2, mode="trilinear")


class TimeEmbedding(nn.Module):
    """Sinusoids of the time step, then two linear layers: (batch,) -> (batch, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = width // 2
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        rates = torch.exp(-math.log(10_000) * torch.arange(self.frequencies, device=t.device) / self.frequencies)
        angles = t[:, None].float() * rates
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))


class ResBlock(nn.Module):
    """GN, SiLU, conv, AdaGN(f, e_t) = e_t^s GN(f) + e_t^b, SiLU, conv, plus the residual (DoseDiff, Eq. 11)."""

    def __init__(self, inputs: int, outputs: int, time_width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs), conv(inputs, outputs)
        self.scale_shift = nn.Linear(time_width, 2 * outputs)
        self.norm2, self.conv2 = group_norm(outputs), zeroed(conv(outputs, outputs))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.scale_shift(F.silu(time))[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Level(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, inputs: int, outputs: int, time_width: int, blocks: int = 2) -> None:
        super().__init__()
        sizes = [inputs] + [outputs] * blocks
        self.blocks = nn.ModuleList(ResBlock(a, b, time_width) for a, b in pairwise(sizes))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, time)
        return x


class Upsample(nn.Module):
    """Nearest neighbour by two, then a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
