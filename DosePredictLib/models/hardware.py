"""How a device computes fastest."""

from __future__ import annotations

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


def convolved(layer: nn.Conv3d, x: Tensor) -> Tensor:
    """What ``layer`` makes of x (batch, channels, k, j, i), by oneDNN wherever it can.

    In float32 PyTorch leaves a convolution of one small volume to code that is up to ten times slower
    (``python Testing/Benchmarks/convolution.py``; pytorch/pytorch#46675 tells of the rule that decides).
    """
    simple = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not (simple and torch.backends.mkldnn.is_available()) or isinstance(layer.padding, str):
        return nn.Conv3d.forward(layer, x)
    return torch.mkldnn_convolution(x, layer.weight, layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups)
