"""How a device computes fastest."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache

import torch
from torch import Tensor, nn


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16; where it does not, emulation is slower than float32, on a CPU a hundredfold."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # absent in older PyTorch
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in probes)


def fast_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware computes in it, else float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device))


@lru_cache
def problem_with(device: torch.device) -> str:
    """What keeps a device from being used; empty where convolutions come out as on the CPU.

    On Apple's GPUs those of volumes were wrong, without a word, in more than one version of PyTorch (pytorch/pytorch#141471,
    #197114); a card too new or too old for a version of PyTorch computes nothing.
    """
    if device.type == "cpu":
        return ""
    volumes = [nn.Conv3d(16, 32, 3, padding=1), nn.Conv3d(16, 32, 2, stride=2), nn.ConvTranspose3d(16, 32, 2, stride=2)]
    slices = [nn.Conv2d(16, 32, 3, padding=1), nn.ConvTranspose2d(16, 32, 2, stride=2)]
    try:
        right = all(_comes_out_right(layer, device) for layer in volumes + slices)
    except Exception as error:  # a driver's or PyTorch's, of many kinds
        return f"does not compute: {(str(error).splitlines() or [type(error).__name__])[0]}"
    return "" if right else "computes wrong results"


@torch.no_grad()
def _comes_out_right(layer: nn.Module, device: torch.device) -> bool:
    """In both orders of memory that may be met, to a hundredth of its size: TensorFloat-32 errs by a thousandth."""
    volumetric = next(layer.parameters()).ndim == 5
    x = torch.linspace(-1, 1, 16 * 8 ** (2 + volumetric)).sin().reshape(1, 16, *[8] * (2 + volumetric))
    expected, there = layer(x), deepcopy(layer).to(device)
    for order in (torch.contiguous_format, torch.channels_last_3d if volumetric else torch.channels_last):
        found = there.to(memory_format=order)(x.to(device).contiguous(memory_format=order)).cpu()  # type: ignore[call-overload]
        if not (found - expected).abs().max() < 0.01 * expected.abs().max():
            return False
    return True


def convolved(layer: nn.Conv3d, x: Tensor) -> Tensor:
    """What ``layer`` makes of x (batch, channels, k, j, i), by oneDNN wherever it can.

    In float32 PyTorch leaves a convolution of one small volume to code that is up to ten times slower
    (``python Testing/Benchmarks/convolution.py``; pytorch/pytorch#46675 tells of the rule that decides).
    """
    simple = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not (simple and torch.backends.mkldnn.is_available()) or isinstance(layer.padding, str):
        return nn.Conv3d.forward(layer, x)
    return torch.mkldnn_convolution(x, layer.weight, layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups)
