"""C3D, the cascade of two three-dimensional U-Nets that won OpenKBP (Liu et al. 2021, Med Phys 48:5574).

Its inputs here are those of the recipe (distance maps beside the prescription, not masks alone), so that it differs from the
other networks in its architecture and loss only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import Halving3d, Same3d


class C3D(nn.Module):
    """(batch, channels, k, j, i) -> (batch, 2, k, j, i): dose as a share of the highest prescription, less 1.

    Output 0 is the dose; output 1 is what the first U-Net alone says, which the loss counts as well. The second U-Net sees the
    input and the features of the first. first, second: widths of both from full resolution downwards; the paper's are
    16, 32, ..., 256 and 32, 64, ..., 512. Sides of the volume are multiples of 2 ** (levels - 1), twice that with a stem.
    stem: channels at half resolution that both U-Nets see instead of the input, as those of ``VolumeUNet`` do; 0 as published.
    """

    def __init__(self, channels: int, first: Sequence[int], second: Sequence[int], stem: int = 0) -> None:
        super().__init__()
        self.stem = nn.Conv3d(channels, stem, 2, stride=2) if stem else nn.Identity()
        self.first = FeatureUNet(stem or channels, first)
        self.second = FeatureUNet((stem or channels) + first[0], second)
        answer = partial(nn.ConvTranspose3d, kernel_size=2, stride=2) if stem else partial(nn.Conv3d, kernel_size=1)
        self.first_dose = answer(first[0], 1)
        self.dose = answer(second[0], 1)

    def forward(self, given: Tensor) -> Tensor:
        given = self.stem(given)
        features = self.first(given)
        refined = self.second(torch.cat([features, given], dim=1))
        return torch.cat([self.dose(refined), self.first_dose(features)], dim=1).float() - 1


class FeatureUNet(nn.Module):
    """(batch, channels, k, j, i) -> (batch, widths[0], k, j, i), two convolutions a level on the way down and on the way up."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList([_twice(channels, widths[0])])
        self.enlarge = nn.ModuleList()
        self.up = nn.ModuleList()
        for upper, lower in pairwise(widths):
            self.down.append(_twice(upper, lower, stride=2))
            self.enlarge.append(nn.Sequential(nn.Upsample(scale_factor=2, mode="trilinear"), *_convolution(lower, upper)))
            self.up.append(_twice(2 * upper, upper))

    def forward(self, y: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for level in self.down:
            y = level(y)
            kept.append(y)
        kept.pop()
        for enlarge, level in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            y = level(torch.cat([kept.pop(), enlarge(y)], dim=1))
        return y


def _twice(width_in: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_convolution(width_in, width, stride), *_convolution(width, width))


def _convolution(width_in: int, width: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return (
        Halving3d(width_in, width, 3, stride=2, padding=1) if stride == 2 else Same3d(width_in, width),
        nn.InstanceNorm3d(width, affine=True),
        nn.ReLU(inplace=True),
    )
