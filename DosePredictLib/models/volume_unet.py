"""A three-dimensional U-Net that works at half resolution and answers at full: eight times cheaper, and little is lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import Doubling3d, Halving3d, Same3d, zeroed


class Block(nn.Module):
    """Two 3x3x3 convolutions with group normalisation around a shortcut; ``time`` shifts and scales between them (AdaGN)."""

    def __init__(self, width_in: int, width: int, time_width: int = 0) -> None:
        super().__init__()
        self.first = Same3d(width_in, width)
        self.second = Same3d(width, width)
        self.norms = nn.ModuleList([nn.GroupNorm(8, width), nn.GroupNorm(8, width)])
        self.shortcut = nn.Identity() if width_in == width else nn.Conv3d(width_in, width, 1)
        self.time = nn.Linear(time_width, 2 * width) if time_width else None

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        y = self.norms[0](self.first(x))
        if self.time is not None and time is not None:
            scale, shift = self.time(time)[:, :, None, None, None].chunk(2, dim=1)
            y = y * (1 + scale) + shift
        y = self.norms[1](self.second(nn.functional.silu(y)))
        return nn.functional.silu(y + self.shortcut(x))


class VolumeUNet(nn.Module):
    """(batch, channels, k, j, i) -> (batch, outputs, k, j, i); sides are multiples of 2 ** len(widths).

    widths: channels at 1/2, 1/4, 1/8, ... of the resolution. time_width: of an embedding of the noise level, 0 without one.
    edges: channels, from the first to the one before the last, of distances whose sign is seen as well: edges that half the
    resolution would blur. What they add starts as zero, as does the answer.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        *,
        outputs: int = 1,
        time_width: int = 0,
        dropout: float = 0.0,
        edges: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv3d(channels, widths[0], 2, stride=2)
        self.distances = slice(*edges) if edges else None
        self.edges = zeroed(nn.Conv3d(edges[1] - edges[0], widths[0], 2, stride=2, bias=False)) if edges else None
        self.down = nn.ModuleList([Block(widths[0], widths[0], time_width)])
        self.shrink = nn.ModuleList()
        self.enlarge = nn.ModuleList()
        self.up = nn.ModuleList()
        for upper, lower in pairwise(widths):
            self.shrink.append(Halving3d(upper, lower, 2, stride=2))
            self.down.append(Block(lower, lower, time_width))
            self.enlarge.append(Doubling3d(lower, upper, 2, stride=2))
            self.up.append(Block(2 * upper, upper, time_width))
        self.dropout = nn.Dropout3d(dropout)
        self.answer = zeroed(nn.ConvTranspose3d(widths[0], outputs, 2, stride=2))

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        y = self.stem(x)
        if self.edges is not None:
            y = y + self.edges((x[:, self.distances] > 0).to(x))
        y = self.down[0](y, time)
        kept = []
        for shrink, block in zip(self.shrink, self.down[1:], strict=True):
            kept.append(y)
            y = block(shrink(y), time)
        y = self.dropout(y)
        for enlarge, block in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            y = block(torch.cat([enlarge(y), kept.pop()], dim=1), time)
        return self.answer(y)
