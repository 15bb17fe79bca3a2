"""DMTP's score network (Yu et al. 2025, doi:10.3389/fonc.2024.1473050): a measured dose from the planning system's.

A U-Net that is told the noise level looks at adjacent slices of the noisy dose beside the same slices of the planned dose
(mode A), and of the CT (mode B), as channels. What its output means is said by ``diffusion.sde``.

The paper calls it the default U-Net of Song et al. 2021 with 128 kernels in the first convolution. Here widths are settings of
the recipe; there is no attention at 16 x 16, since what a measurement differs by is local or the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .blocks import Level, TimeEmbedding, Upsample, conv, group_norm, zeroed
from .dosediff import Encoder


class DMTP(nn.Module):
    """F(x, t, condition), which is zero before training.

    given: the conditioning channels, ("RTDose",) or ("RTDose", "CT"). slices: adjacent ones seen at once. widths: channels
    a level. Rows and columns must be multiples of ``self.multiple``. Raises ValueError for an even number of slices.
    """

    def __init__(
        self,
        *,
        given: Sequence[str],
        slices: int = 3,
        widths: Sequence[int] = (128, 128, 256, 256),
        time_width: int = 512,
        stem: int = 1,
    ) -> None:
        super().__init__()
        if slices % 2 == 0:
            raise ValueError("slices must be odd: one, and as many below as above")
        self.slices, self.multiple = slices, stem * 2 ** (len(widths) - 1)
        self.time = TimeEmbedding(time_width)
        self.encoder = Encoder(slices * (1 + len(given)), widths, time_width, stem)
        self.middle = Level(widths[-1], widths[-1], time_width)
        lower = [*widths[1:], widths[-1]]
        self.ups = nn.ModuleList([*(Upsample(a, a) for a in widths[1:]), nn.Identity()])
        self.decoder = nn.ModuleList(Level(a + b, b, time_width) for a, b in zip(lower, widths, strict=True))
        last = zeroed(conv(widths[0], slices * stem**2))
        self.head = nn.Sequential(group_norm(widths[0]), nn.SiLU(), last, nn.PixelShuffle(stem))

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """x: (batch, slices, rows, columns). t: (batch,), 0...1000. condition: (batch, slices * given, ...) -> like x."""
        time = self.time(t).to(x.dtype)
        h, seen = self.encoder.start(torch.cat([x, condition], dim=1)), []
        for index in range(len(self.decoder)):
            h = self.encoder.level(index, h, time)
            seen.append(h)
        h = self.middle(h, time)
        for up, level, skip in reversed(list(zip(self.ups, self.decoder, seen, strict=True))):
            h = level(torch.cat([up(h), skip], dim=1), time)
        return self.head(h)
