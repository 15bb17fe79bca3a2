"""The plain baseline: a regression U-Net that sees CT, prescription and distance maps, and knows nothing of beams."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .blocks import as_masks
from .volume_unet import VolumeUNet


class UNet(nn.Module):
    """(batch, channels, k, j, i) -> (batch, 1, k, j, i): dose as a share of the highest prescription, less 1.

    widths: of the U-Net, from half resolution downwards; sides of the volume are multiples of 2 ** len(widths).
    masks: whether it sees the distance maps as masks only; edges: whether as masks, too.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], dropout: float = 0.0, masks: bool = False, edges: bool = False
    ) -> None:
        super().__init__()
        self.masks = masks
        self.share = VolumeUNet(channels, widths, dropout=dropout, edges=(2, channels) if edges else None)

    def forward(self, given: Tensor) -> Tensor:
        return self.share(as_masks(given) if self.masks else given).float() - 1
