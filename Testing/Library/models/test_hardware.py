"""Convolutions by oneDNN are those of PyTorch's own code, in answer and gradient; a device is used if it computes right."""

from __future__ import annotations

import pytest
import torch
from second_device import second_device
from torch import nn

from DosePredictLib.models.blocks import Same3d
from DosePredictLib.models.hardware import convolved, fast_bfloat16, fast_precision, problem_with

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "options", [{"padding": 1}, {"stride": 2}, {"dilation": 2}, {"groups": 4}, {"bias": False}, {"padding": "same"}]
)
@pytest.mark.filterwarnings("ignore:TF32")
@pytest.mark.parametrize("shape", [(1, 8, 6, 5, 7), (2, 8, 5, 5, 5)])
def test_a_convolution_is_that_of_pytorchs_own_code(shape, options):
    torch.manual_seed(0)
    layer, x = nn.Conv3d(8, 12, 3, **options), torch.randn(shape, requires_grad=True)
    with torch.backends.mkldnn.flags(enabled=False):
        expected = layer(x)
        wanted = torch.autograd.grad(expected.square().sum(), [x, *layer.parameters()])
    found = convolved(layer, x)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(torch.autograd.grad(found.square().sum(), [x, *layer.parameters()]), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_constant_becomes_the_sum_of_the_weights():
    layer = Same3d(3, 4)
    found = layer(torch.full((1, 3, 5, 5, 5), 2.0))[0, :, 2, 2, 2]
    torch.testing.assert_close(found, 2 * layer.weight.sum(dim=(1, 2, 3, 4)) + layer.bias)


def test_other_numbers_than_float32_are_left_to_pytorch():
    layer, x = nn.Conv3d(2, 2, 3).double(), torch.randn(1, 2, 4, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(convolved(layer, x), layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert convolved(nn.Conv3d(2, 2, 3), x.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("has_it", [False, True])
def test_bfloat16_is_used_only_where_the_processor_computes_in_it(monkeypatch, has_it):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_it, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert fast_bfloat16(CPU) is has_it
    with fast_precision(CPU):
        assert torch.is_autocast_enabled("cpu") is has_it


def convolution_there(monkeypatch, change) -> str:
    """What is said of a device on which convolutions of volumes come out otherwise."""
    right = nn.Conv3d.forward
    monkeypatch.setattr(nn.Conv3d, "forward", lambda self, x: right(self, x) if x.device == CPU else change(right(self, x)))
    problem_with.cache_clear()
    with second_device() as there:
        return problem_with(there)


def test_a_device_that_computes_as_the_cpu_does_has_no_problem(monkeypatch):
    assert convolution_there(monkeypatch, lambda y: y * 1.001) == ""
    assert problem_with(CPU) == ""


def test_a_device_that_computes_otherwise_is_noticed(monkeypatch):
    assert convolution_there(monkeypatch, lambda y: y.flip(1)) == "computes wrong results"
    assert convolution_there(monkeypatch, lambda y: y * float("nan")) == "computes wrong results"


def test_a_device_that_does_not_compute_is_noticed(monkeypatch):
    def fails(_):
        raise RuntimeError("no kernel image is available\nfor this device")

    assert convolution_there(monkeypatch, fails) == "does not compute: no kernel image is available"
