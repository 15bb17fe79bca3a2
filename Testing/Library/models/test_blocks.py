"""Convolutions that halve and double: the same as PyTorch's own, also where one column is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from DosePredictLib.models.blocks import Doubling3d, Halving2d, Halving3d, Same3d

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


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize(("ours", "theirs"), [(Halving3d, nn.Conv3d), (Doubling3d, nn.ConvTranspose3d)])
def test_blocks_of_two_voxels_are_pytorchs_own(ours, theirs, columns):
    torch.manual_seed(0)
    one, plain = ours(8, 8, 2, stride=2), theirs(8, 8, 2, stride=2)
    plain.load_state_dict(one.state_dict())
    x = torch.randn(2, 8, 4, 4, columns if ours is Doubling3d else 2 * columns)
    torch.testing.assert_close(one(x), plain(x))


@pytest.mark.parametrize("kind", [Halving3d, Doubling3d])
def test_neither_their_answer_nor_their_gradient_reads_memory_of_others(kind):
    """PyTorch's own convolutions fail this on processors with AMX: of the one the answer, of the other the gradient."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    one = kind(112, 128, 2, stride=2).to(memory_format=torch.channels_last_3d)
    x = (
        torch.randn(1, 112, 10, 8, 2 if kind is Halving3d else 1)
        .contiguous(memory_format=torch.channels_last_3d)
        .requires_grad_()
    )
    exact = one(x)
    (exact_gradient,) = torch.autograd.grad(exact.sum(), x)
    for _ in range(10):
        fill_freed_memory(rng)
        with torch.autocast("cpu", torch.bfloat16):
            answer = one(x)
        fill_freed_memory(rng)
        (gradient,) = torch.autograd.grad(answer.float().sum(), x)
        torch.testing.assert_close(answer.float(), exact.detach(), atol=0.05, rtol=0.05)
        torch.testing.assert_close(gradient, exact_gradient, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("slices", [1, 2, 3, 4])
def test_a_convolution_of_few_slices_is_pytorchs_own_and_its_gradient_right_in_half_precision(slices):
    """PyTorch's own fails this with two slices on processors with AVX512-BF16 and no AMX, by a factor of 10 and far more."""
    torch.manual_seed(0)
    one, plain = Same3d(16, 16), nn.Conv3d(16, 16, 3, padding=1)
    plain.load_state_dict(one.state_dict())
    x = torch.randn(1, 16, slices, 8, 8)
    exact = plain(x)
    torch.testing.assert_close(one(x), exact)
    with torch.autocast("cpu", torch.bfloat16):
        answer = one(x)
    (gradient,) = torch.autograd.grad(answer.float().square().mean(), one.weight)
    (expected,) = torch.autograd.grad(exact.square().mean(), plain.weight)
    torch.testing.assert_close(gradient, expected, atol=0.02 * float(expected.abs().max()), rtol=0.02)
