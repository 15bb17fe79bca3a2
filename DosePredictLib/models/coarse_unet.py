"""A U-Net that sees the whole neck at once, coarsely, and moves the dose of an optimised plan to where planners put it.

What a plan optimised without them gets wrong is smooth: corrected at a quarter of the resolution at best, it errs by 1.4 Gy, and
by 4.6 Gy as it is (docs/experiments.md). A step of training takes 0.3 s of a core instead of 0.8, so there can be more.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .blocks import as_masks, doubled, halved
from .volume_unet import VolumeUNet

MOSTLY = 0.5  # of a voxel inside a structure, so that what is seen is positive there, as distances are


class CoarseUNet(nn.Module):
    """(batch, channels, k, j, i) -> (batch, 1, k, j, i): dose as a share of the highest prescription, less 1.

    channels: of the input, in the recipe's order; ``plan`` is the index of the planned dose (a share) that is corrected, and the
    distance maps end before the open fields and the plan. widths: of the U-Net, from a quarter of the resolution downwards;
    sides of the volume are multiples of 2 ** (len(widths) + 1).
    """

    def __init__(self, channels: int, widths: Sequence[int], plan: int = 13) -> None:
        super().__init__()
        self.plan = plan
        self.correction = VolumeUNet(channels, widths)

    def forward(self, given: Tensor) -> Tensor:
        return self._planned(given) + doubled(self.correction(self.seen(given)).float())

    def seen(self, given: Tensor) -> Tensor:
        """(batch, channels, k/2, j/2, i/2): a voxel's share in each structure, less ``MOSTLY``; the means of the rest."""
        seen = halved(as_masks(given, end=self.plan - 1))
        seen[:, 2 : self.plan - 1] -= MOSTLY
        return seen

    def at_half(self, seen: Tensor) -> Tensor:
        """(batch, 1, k/2, j/2, i/2): the answer at half the resolution, for what is seen there."""
        return self._planned(seen) + self.correction(seen).float()

    def _planned(self, channels: Tensor) -> Tensor:
        return channels[:, self.plan : self.plan + 1].float() - 1


def smoothed(volume: Tensor) -> Tensor:
    """What of (k, j, i) a network at half the resolution can say."""
    return doubled(halved(volume[None, None]))[0, 0]
