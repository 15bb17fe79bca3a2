"""Axial slices through a two-dimensional diffusion model, in batches (DoseDiff, DiffDP)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..diffusion.gaussian import GaussianDiffusion
from ..models.diffdp import DiffDP
from ..samplers.common import Denoise, OnStep, gaussian
from ..samplers.ddim import ddim
from ..samplers.ddpm import ddpm

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

    As many steps as the process has are the ancestral sampling of the papers; fewer are DDIM.
    All slices see the same noise images, drawn from ``seed``: neighbours then differ by their anatomy only.
    half: bfloat16 inside the network.
    """
    pieces = list(_batches(len(condition), batch))
    dose = torch.empty(len(condition), *condition.shape[-2:])
    if on_step:
        on_step(0, len(pieces) * steps)
    for number, piece in enumerate(pieces):
        given = condition[piece].to(memory_format=torch.channels_last)
        clean = sampled(
            denoiser(network, diffusion, given, half=half),
            (len(given), 1, *condition.shape[-2:]),
            diffusion,
            steps=steps,
            seed=seed,
            device=condition.device,
            on_step=None if on_step is None else _counted(on_step, number * steps, len(pieces) * steps),
        )
        dose[piece] = clean[:, 0].cpu()
    return dose


@torch.no_grad()
def estimated_slices(network: DiffDP, condition: Tensor, *, batch: int = BATCH, half: bool = True) -> Tensor:
    """What the structure encoder alone predicts, without diffusion; shapes as in ``sample_slices``."""
    dose = torch.empty(len(condition), *condition.shape[-2:])
    for piece in _batches(len(condition), batch):
        with torch.autocast(condition.device.type, torch.bfloat16, enabled=half):
            found = network.estimate(network.encode(condition[piece].to(memory_format=torch.channels_last)))
        dose[piece] = found[:, 0].float().clamp(-1, 1).cpu()
    return dose


def denoiser(network: nn.Module, diffusion: GaussianDiffusion, given: Tensor, *, half: bool) -> Denoise:
    """The estimate of x_0 that the network's output stands for; features that stay the same in every step are made once."""
    condition: Tensor | list[Tensor] = given
    if isinstance(network, DiffDP):
        with torch.no_grad(), torch.autocast(given.device.type, torch.bfloat16, enabled=half):
            condition = network.encode(given)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            output = network(x, diffusion.told(t), condition)
        return diffusion.clean(output.float(), x, t)

    return denoise


def sampled(
    denoise: Denoise,
    shape: tuple[int, ...],
    diffusion: GaussianDiffusion,
    *,
    steps: int,
    seed: int,
    device: torch.device,
    on_step: OnStep | None,
    clip: float | None = 1.0,
) -> Tensor:
    """Samples of ``shape``, all from the same noise. clip: as for ``ddim``."""
    chance = [torch.Generator().manual_seed(seed) for _ in range(shape[0])]
    noise = gaussian(shape, chance, device)
    if steps == diffusion.timesteps:
        return ddpm(denoise, noise, diffusion, generators=chance, clip=clip, on_step=on_step)
    return ddim(denoise, noise, diffusion, steps=steps, clip=clip, on_step=on_step)


def _batches(count: int, batch: int) -> Iterator[slice]:
    return (slice(start, min(start + batch, count)) for start in range(0, count, batch))


def _counted(on_step: OnStep, before: int, total: int) -> OnStep:
    return lambda done, _: on_step(before + done, total)
