"""Convolutions that halve: the same as PyTorch's own, also where one column is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from DosePredictLib.models.blocks import Halving2d, Halving3d

PAIRS = [(Halving2d, nn.Conv2d, (4,)), (Halving3d, nn.Conv3d, (4, 4))]


def fill_freed_memory(rng: np.random.Generator) -> None:
    """What a kernel finds that reads beyond its own memory."""
    junk = [torch.full((int(rng.integers(1, 200_000)),), float("nan")) for _ in range(8)]
    del junk


@pytest.mark.parametrize(("ours", "theirs", "sides"), PAIRS)
@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_halving_is_a_convolution_of_stride_two(ours, theirs, sides, columns):
    torch.manual_seed(0)
    halve = ours(8, 8, 3, stride=2, padding=1)
    plain = theirs(8, 8, 3, stride=2, padding=1)
    plain.load_state_dict(halve.state_dict())
    x = torch.randn(2, 8, *sides, columns)
    torch.testing.assert_close(halve(x), plain(x))


@pytest.mark.parametrize(("ours", "theirs", "sides"), PAIRS)
def test_half_precision_never_reads_memory_of_others(ours, theirs, sides):
    """PyTorch's own convolution fails this on processors with AMX: a patient whose box is 32 columns wide met it."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    halve = ours(256, 256, 3, stride=2, padding=1)
    x = torch.randn(16 if ours is Halving2d else 1, 256, *sides, 2)
    with torch.no_grad():
        exact = halve(x)
        for _ in range(20):
            fill_freed_memory(rng)
            with torch.autocast("cpu", torch.bfloat16):
                torch.testing.assert_close(halve(x).float(), exact, atol=0.05, rtol=0.05)
