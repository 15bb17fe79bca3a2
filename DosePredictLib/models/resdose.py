"""resdose, this project's own model: a network that corrects the dose of a plan optimised for simple fields."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .volume_unet import VolumeUNet


class ResDose(nn.Module):
    """(batch, channels, k, j, i) -> (batch, 1, k, j, i): dose as a share of the highest prescription, less 1.

    channels: of the input, in the recipe's order; ``plan`` is the index of the planned dose (a share) that is corrected.
    widths: of the U-Net, from half resolution downwards; sides of the volume are multiples of 2 ** len(widths).
    """

    def __init__(self, channels: int, widths: Sequence[int], plan: int = 13, dropout: float = 0.0) -> None:
        super().__init__()
        self.plan = plan
        self.correction = VolumeUNet(channels, widths, dropout=dropout)

    def forward(self, given: Tensor) -> Tensor:
        return given[:, self.plan : self.plan + 1].float() - 1 + self.correction(given).float()
