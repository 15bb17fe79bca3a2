"""A patient through a network that diffuses in a latent space (ADDiff-Dose), in overlapping pieces where its recipe says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from ..core import ModelError
from ..diffusion.gaussian import GaussianDiffusion
from ..models.addiff_dose import FACTOR, LEVELS, ADDiffDose, Context, Encoded
from ..samplers.common import Denoise, OnStep
from .slicewise import sampled

Piece = tuple[slice, slice, slice]


def sample_volume(
    network: ADDiffDose,
    diffusion: GaussianDiffusion,
    condition: Tensor,
    context: Context,
    *,
    steps: int,
    seed: int,
    half: bool,
    on_step: OnStep | None = None,
) -> Tensor:
    """One sample of the dose. condition: (channels, k, j, i) -> (k, j, i) in the recipe's unit. half: bfloat16 inside."""
    given = condition[None].contiguous(memory_format=torch.channels_last_3d)
    shape = (1, len(network.scale), *(side // FACTOR for side in condition.shape[1:]))
    if on_step:
        on_step(0, steps)
    with torch.inference_mode(), torch.autocast(condition.device.type, torch.bfloat16, enabled=half):
        denoise = denoiser(network, diffusion, given, context)
        z = sampled(denoise, shape, diffusion, steps=steps, seed=seed, device=condition.device, on_step=on_step, clip=None)
        return network.to_dose(z)[0, 0].cpu()


def context_of(condition: Tensor, highest_gy: float, places: tuple[int, int] = (0, 0)) -> Context:
    """condition: (channels, k, j, i), CT and prescription map first, then the distance maps of the three targets."""
    technique, site = (torch.tensor([place], device=condition.device) for place in places)
    levels = torch.stack([(condition[1] * (target > 0)).amax() for target in condition[2 : 2 + LEVELS]])
    return Context(technique, site, highest_gy * levels[None])


def places_of(network: nn.Module, treatment: Mapping[str, str]) -> tuple[int, int]:
    """Of technique and site in the network's vocabularies. Raises ModelError for one that it was not trained for."""
    if not isinstance(network, ADDiffDose):
        return 0, 0
    technique, site = network.techniques, network.sites
    return _place("technique", technique, treatment), _place("site", site, treatment)


def _place(what: str, known: Sequence[str], treatment: Mapping[str, str]) -> int:
    """The only one there is need not be named."""
    named = treatment.get(what, known[0] if len(known) == 1 else "")
    if named in known:
        return known.index(named)
    words = f"The {what} {named} is none that this model" if named else f"The {what} is not known, and this model"
    raise ModelError(f"{words} was trained for ({', '.join(known)}); name one of these or take another model.")


def denoiser(network: ADDiffDose, diffusion: GaussianDiffusion, given: Tensor, context: Context) -> Denoise:
    """The estimate of z_0; what the network sees of the patient is encoded once."""
    pieces = pieces_of(given.shape[2:], network.patch, network.overlap)
    encoded = [network.encode(cut(given, piece), context) for piece in pieces]
    latent_pieces = [_shortened(piece) for piece in pieces]

    def denoise(z: Tensor, t: Tensor) -> Tensor:
        parts = zip(latent_pieces, encoded, strict=True)
        found = [_clean(network, diffusion, cut(z, piece), t, seen) for piece, seen in parts]
        return merged(found, latent_pieces, z.shape[2:], network.overlap // FACTOR)

    return denoise


def _clean(network: ADDiffDose, diffusion: GaussianDiffusion, z: Tensor, t: Tensor, seen: Encoded) -> Tensor:
    return diffusion.clean(network(z, diffusion.told(t), seen).float(), z, t)


def cut(volume: Tensor, piece: Piece) -> Tensor:
    """The piece of (..., k, j, i), not a copy."""
    k, j, i = piece
    return volume[..., k, j, i]


def pieces_of(shape: Sequence[int], patch: Sequence[int], overlap: int) -> list[Piece]:
    """Boxes of ``patch`` that cover ``shape``, neighbours sharing at least ``overlap``; a smaller volume is one piece."""
    sides = [min(side, size) for side, size in zip(patch or shape, shape, strict=True)]
    starts = [_starts(size, side, overlap) for size, side in zip(shape, sides, strict=True)]
    return [_box(corner, sides) for corner in product(*starts)]


def merged(found: Sequence[Tensor], pieces: Sequence[Piece], shape: Sequence[int], overlap: int) -> Tensor:
    """The volume of ``shape`` from its pieces (..., k, j, i), weights falling linearly to their edges (Algorithm 1, step 12)."""
    total, weights = found[0].new_zeros((*found[0].shape[:-3], *shape)), found[0].new_zeros(tuple(shape))
    for values, piece in zip(found, pieces, strict=True):
        weight = _decaying(values.shape[-3:], overlap).to(values)
        cut(total, piece).add_(weight * values)
        weights[piece] += weight
    return total / weights


def _decaying(shape: Sequence[int], overlap: int) -> Tensor:
    """1 inside, falling to nothing over ``overlap`` voxels at each face; two neighbours' weights add up to 1."""
    k, j, i = (_ramp(side, overlap) for side in shape)
    return k[:, None, None] * j[:, None] * i


def _ramp(side: int, overlap: int) -> Tensor:
    from_edge = torch.arange(side).add(0.5)
    return torch.minimum(from_edge, from_edge.flip(0)).div(max(overlap, 0.5)).clamp(max=1)


def _starts(size: int, side: int, overlap: int) -> Iterator[int]:
    start = 0
    while start + side < size:
        yield start
        start += side - overlap
    yield size - side


def _box(corner: Sequence[int], sides: Sequence[int]) -> Piece:
    k, j, i = (slice(start, start + side) for start, side in zip(corner, sides, strict=True))
    return k, j, i


def _shortened(piece: Piece) -> Piece:
    k, j, i = (slice(part.start // FACTOR, part.stop // FACTOR) for part in piece)
    return k, j, i
