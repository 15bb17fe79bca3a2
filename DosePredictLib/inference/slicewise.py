"""Axial slices through a two-dimensional diffusion model, in batches (DoseDiff)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ..diffusion.gaussian import GaussianDiffusion
from ..samplers.common import OnStep, gaussian
from ..samplers.ddim import ddim

BATCH = 16  # slices at a time; the result does not depend on it


def sample_slices(
    network: nn.Module,
    diffusion: GaussianDiffusion,
    condition: Tensor,
    *,
    steps: int,
    seed: int,
    batch: int = BATCH,
    half: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """One sample of every slice. condition: (slices, channels, rows, columns) -> (slices, rows, columns) in [-1, 1].

    All slices start from the same noise image, drawn from ``seed``: neighbours then differ by their anatomy only.
    half: bfloat16 inside the network.
    """
    pieces = list(_batches(len(condition), batch))
    noise = gaussian((1, 1, *condition.shape[-2:]), [torch.Generator().manual_seed(seed)], condition.device)
    dose = torch.empty(len(condition), *condition.shape[-2:])
    if on_step:
        on_step(0, len(pieces) * steps)
    for number, piece in enumerate(pieces):
        given = condition[piece].to(memory_format=torch.channels_last)
        clean = ddim(
            partial(denoise, network, diffusion, given, half=half),
            noise.expand(len(given), -1, -1, -1),
            diffusion,
            steps=steps,
            on_step=None if on_step is None else _counted(on_step, number * steps, len(pieces) * steps),
        )
        dose[piece] = clean[:, 0].cpu()
    return dose


def denoise(network: nn.Module, diffusion: GaussianDiffusion, given: Tensor, x: Tensor, t: Tensor, *, half: bool) -> Tensor:
    """The estimate of x_0 that the network's output stands for."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        output = network(x, t, given)
    return diffusion.clean(output.float(), x, t)


def _batches(count: int, batch: int) -> Iterator[slice]:
    return (slice(start, min(start + batch, count)) for start in range(0, count, batch))


def _counted(on_step: OnStep, before: int, total: int) -> OnStep:
    return lambda done, _: on_step(before + done, total)
