"""resdose, this project's own model: one network corrects an optimised plan of simple fields, another draws what is left open.

The first answers at once and without chance. The second, much smaller, diffuses the residual of that answer at half
resolution: what planners decide differently on the same anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .blocks import TimeEmbedding, as_masks, doubled, halved
from .volume_unet import VolumeUNet

TIME_WIDTH = 64
RESIDUAL = 0.05  # share of the prescription: about the standard deviation of a residual, so that diffusion sees unit variance


class ResDose(nn.Module):
    """(batch, channels, k, j, i) -> (batch, 1, k, j, i): dose as a share of the highest prescription, less 1.

    channels: of the input, in the recipe's order; ``plan`` is the index of the planned dose (a share) that is corrected.
    widths: of the U-Net, from half resolution downwards; sides of the volume are multiples of 2 ** len(widths).
    refinement: widths of the network of residuals, from a quarter of the resolution downwards; empty for none.
    masks: whether the correction sees the distance maps, which end before the open fields and the plan, as masks only; edges:
    whether as masks, too.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        plan: int = 13,
        dropout: float = 0.0,
        refinement: Sequence[int] = (),
        masks: bool = False,
        edges: bool = False,
    ) -> None:
        super().__init__()
        self.plan, self.masks = plan, masks
        self.correction = VolumeUNet(channels, widths, dropout=dropout, edges=(2, plan - 1) if edges else None)
        self.refinement = VolumeUNet(channels + 2, refinement, time_width=TIME_WIDTH) if refinement else None
        self.time = TimeEmbedding(TIME_WIDTH) if refinement else None

    def forward(self, given: Tensor) -> Tensor:
        seen = as_masks(given, end=self.plan - 1) if self.masks else given
        return given[:, self.plan : self.plan + 1].float() - 1 + self.correction(seen).float()

    def seen(self, given: Tensor, answer: Tensor) -> Tensor:
        """What the network of residuals sees of a case: (batch, channels + 1, k/2, j/2, i/2)."""
        return halved(torch.cat([given, answer.to(given)], dim=1))

    def denoised(self, x: Tensor, t: Tensor, seen: Tensor) -> Tensor:
        """The output, as the diffusion defines it, for noisy residuals x (batch, 1, k/2, j/2, i/2) at times t (batch,)."""
        assert self.refinement is not None and self.time is not None
        both = torch.cat([x, seen.expand(len(x), *seen.shape[1:])], dim=1)
        return self.refinement(both.contiguous(memory_format=torch.channels_last_3d), self.time(t))


def residual_of(dose: Tensor, answer: Tensor) -> Tensor:
    """(batch, 1, k, j, i) doses -> their residual at half resolution, in units of ``RESIDUAL``."""
    return halved(dose - answer) / RESIDUAL


def with_residual(answer: Tensor, residual: Tensor) -> Tensor:
    """The dose that a residual at half resolution stands for; what is finer is the answer's."""
    return answer + RESIDUAL * doubled(residual)
