"""A network that learned to plan: it looks at a patient from where each field comes, and says how to change its fluence.

What planners decide is fluence; dose follows from it. A network that answers in fluence predicts nothing that fields cannot
deliver, learns from nine fields of every patient what is alike in all of them, and sees at once what lies along a ray. How its
answers become a dose, and what it is shown of that dose in the next stage, is in ``inference.fluencewise``: a learned optimiser
(compare Adler & Oektem, "Learned primal-dual reconstruction", IEEE Trans Med Imaging 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from .blocks import zeroed

FIELDS = 9  # equally spaced, so that each has the same neighbours


class FluenceNet(nn.Module):
    """A ``Stage`` for every time that fluence is changed, of each member: networks trained apart, whose fluences are averaged.

    regions: how many there are of whose dose it is told; plans: whose fluence it sees. widths: of each member's stages, at half
    and a quarter of the resolution of the maps; one pair where all ``members`` are alike. dropout: of what the first convolution
    of every block says, in training.
    """

    def __init__(
        self,
        regions: int,
        plans: int,
        widths: Sequence[int] | Sequence[Sequence[int]],
        stages: int,
        members: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        given = regions + plans + 2  # what each beamlet meets, plans, where the field is open, dose to all that the CT shows
        dose = regions + 3  # that of the regions, too little and too much in the targets, fluence so far
        of_each = [one for one in widths if isinstance(one, Sequence)] or [cast(Sequence[int], widths)] * members
        self.members = nn.ModuleList(nn.ModuleList(Stage(given + dose, one, dropout) for _ in range(stages)) for one in of_each)


class Stage(nn.Module):
    """Maps (fields, channels, rows, columns) -> (fields, 1, rows, columns), the change of fluence; sides are multiples of 4."""

    def __init__(self, channels: int, widths: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        upper, lower = widths
        self.stem = nn.Conv2d(channels, upper, 2, stride=2)
        self.first, self.among = Block(upper, upper, dropout), AmongFields(upper)
        self.shrink = nn.Conv2d(upper, lower, 2, stride=2)
        self.second, self.among_coarse = Block(lower, lower, dropout), AmongFields(lower)
        self.third = Block(lower, lower, dropout)
        self.enlarge = nn.ConvTranspose2d(lower, upper, 2, stride=2)
        self.last = Block(2 * upper, upper, dropout)
        self.answer = zeroed(nn.ConvTranspose2d(upper, 1, 2, stride=2))

    def forward(self, maps: Tensor) -> Tensor:
        fine = self.among(self.first(self.stem(maps)))
        coarse = self.third(self.among_coarse(self.second(self.shrink(fine))))
        return self.answer(self.last(torch.cat([fine, self.enlarge(coarse)], dim=1)))


class Block(nn.Module):
    """Two 3x3 convolutions with group normalisation around a shortcut."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(n, outputs, 3, padding=1) for n in (inputs, outputs))
        self.norms = nn.ModuleList(nn.GroupNorm(8, outputs) for _ in range(2))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = silu(self.norms[0](self.convolutions[0](x)))
        return silu(self.norms[1](self.convolutions[1](self.dropout(y))) + self.shortcut(x))


class AmongFields(nn.Module):
    """Tells every field, row by row, of all the others, in the order in which they stand around the patient."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, (FIELDS, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.mean(dim=3).transpose(0, 1)[None]
        reach = FIELDS // 2
        around = torch.cat([rows[:, :, -reach:], rows, rows[:, :, :reach]], dim=2)
        return x + silu(self.convolution(around))[0].transpose(0, 1)[..., None]
