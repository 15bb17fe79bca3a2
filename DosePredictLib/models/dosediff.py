"""DoseDiff's MMFNet (Zhang et al., arXiv 2306.16324, sections 2.3-2.4): noise of a dose slice from CT and distance maps.

Three encoders of the same form look at the noisy dose, the CT and the signed distance maps. Their feature maps are summed
at every level; at the lowest, fusionFormer lets CT and distance maps attend to the dose. One decoder returns the noise.

Where this differs from the paper: widths are settings of the recipe; the first of the four halvings of resolution may be a
pixel-unshuffle (``stem=2``: 2x2 pixels become channels, and the head shuffles them back), which a CPU needs; what the output
means (noise, or v from which the noise follows) is said by the recipe's ``diffusion``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Level, TimeEmbedding, Upsample, as_masks, conv, group_norm, zeroed


class Encoder(nn.Module):
    """One image to feature maps at falling resolution."""

    def __init__(self, inputs: int, widths: Sequence[int], time_width: int, stem: int) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(stem)
        self.first = conv(inputs * stem**2, widths[0])
        self.downs = nn.ModuleList([nn.Identity(), *(conv(w, w, stride=2) for w in widths[:-1])])
        self.levels = nn.ModuleList(Level(a, b, time_width) for a, b in zip([widths[0], *widths[:-1]], widths, strict=True))

    def start(self, image: Tensor) -> Tensor:
        return self.first(self.unshuffle(image))

    def level(self, index: int, features: Tensor, time: Tensor) -> Tensor:
        return self.levels[index](self.downs[index](features), time)


class FusionFormer(nn.Module):
    """Attention over patches with query from the CT, key from the distance maps, value from the dose (Eqs. 12-13)."""

    def __init__(self, channels: int, patch: int = 1, width: int = 128) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.ModuleList(nn.Sequential(nn.Linear(channels * patch**2, width), nn.LayerNorm(width)) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.restore = nn.Linear(width, channels * patch**2)

    def forward(self, ct: Tensor, sdm: Tensor, dose: Tensor) -> Tensor:
        """Three maps (batch, channels, rows, columns), rows and columns multiples of the patch -> one such map."""
        f_q, f_k, f_v = (embed(self._patches(x)) for embed, x in zip(self.embed, (ct, sdm, dose), strict=True))
        value = self.value(f_v)
        f_att = F.scaled_dot_product_attention(self.query(f_q), self.key(f_k), value) + value
        f_ffb = self.feed_forward(f_att) + f_att
        return self._image(self.restore(f_ffb), dose)

    def _patches(self, x: Tensor) -> Tensor:
        return F.unfold(x, self.patch, stride=self.patch).transpose(1, 2)

    def _image(self, tokens: Tensor, like: Tensor) -> Tensor:
        return F.fold(tokens.transpose(1, 2), like.shape[-2:], self.patch, stride=self.patch)


class DoseDiff(nn.Module):
    """epsilon_theta(y_t, x_CT, x_sdm, t).

    distance_maps: channels of x_sdm, the prescription and the maps. widths: channels a level. masks: whether the network sees
    the distance maps as masks only (the paper's table 2). Rows and columns must be multiples of ``self.multiple``.
    """

    def __init__(
        self,
        *,
        distance_maps: int,
        widths: Sequence[int] = (64, 96, 96, 96),
        time_width: int = 128,
        stem: int = 2,
        patch: int = 1,
        masks: bool = False,
    ) -> None:
        super().__init__()
        self.multiple, self.masks = stem * 2 ** (len(widths) - 1) * patch, masks
        self.time = TimeEmbedding(time_width)
        self.dose, self.ct, self.sdm = (Encoder(n, widths, time_width, stem) for n in (1, 1, distance_maps))
        self.fusion = FusionFormer(widths[-1], patch)
        self.middle = Level(widths[-1], widths[-1], time_width)
        lower = [*widths[1:], widths[-1]]
        self.ups = nn.ModuleList([*(Upsample(a, a) for a in widths[1:]), nn.Identity()])
        self.decoder = nn.ModuleList(Level(a + b, b, time_width) for a, b in zip(lower, widths, strict=True))
        self.head = nn.Sequential(group_norm(widths[0]), nn.SiLU(), zeroed(conv(widths[0], stem**2)), nn.PixelShuffle(stem))

    def forward(self, y_t: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """y_t: (batch, 1, rows, columns). t: (batch,). condition: (batch, 1 + distance_maps, rows, columns), CT first."""
        time = self.time(t).to(y_t.dtype)
        condition = as_masks(condition) if self.masks else condition
        dose, ct, sdm = self.dose.start(y_t), self.ct.start(condition[:, :1]), self.sdm.start(condition[:, 1:])
        fused = []
        for index in range(len(self.decoder)):
            ct, sdm = self.ct.level(index, ct, time), self.sdm.level(index, sdm, time)
            dose = self.dose.level(index, dose, time) + ct + sdm
            fused.append(dose)
        h = self.middle(dose + self.fusion(ct, sdm, dose), time)
        for up, level, skip in reversed(list(zip(self.ups, self.decoder, fused, strict=True))):
            h = level(torch.cat([up(h), skip], dim=1), time)
        return self.head(h)
