"""Seconds of resdose's 3x3x3 convolutions of one volume in float32: PyTorch's choice of code beside oneDNN's.

    python Testing/Benchmarks/convolution.py [--threads N] [--times 20]

PyTorch decides by the size of the input; where it decides against oneDNN, the two differ by far. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor, nn

from DosePredictLib.models.hardware import convolved

# Channels in and out, and (k, j, i): the levels of both networks of resdose for a box of 64 x 80 x 112 voxels.
LEVELS = [
    (32, 32, (32, 40, 56)),
    (128, 64, (16, 20, 28)),
    (64, 64, (16, 20, 28)),
    (64, 32, (16, 20, 28)),
    (32, 32, (16, 20, 28)),
    (128, 128, (8, 10, 14)),
    (64, 64, (8, 10, 14)),
    (192, 192, (4, 5, 7)),
    (96, 96, (4, 5, 7)),
]


def milliseconds(compute: Callable[[], Tensor], times: int) -> float:
    """The least of several runs."""
    compute()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        compute()
        found.append(time.perf_counter() - started)
    return 1000 * min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("| channels | voxels | operations, 10^9 | PyTorch's choice, ms | oneDNN, ms |\n|---|---|---|---|---|")
    with torch.inference_mode():
        for inputs, outputs, shape in LEVELS:
            layer = nn.Conv3d(inputs, outputs, 3, padding=1)
            x = torch.randn(1, inputs, *shape).contiguous(memory_format=torch.channels_last_3d)
            usual, ours = (milliseconds(partial(*call), arguments.times) for call in ((layer, x), (convolved, layer, x)))
            operations = 2 * layer.weight.numel() * x[0, 0].numel() / 1e9
            size = "x".join(map(str, shape))
            print(f"| {inputs} to {outputs} | {size} | {operations:.2f} | {usual:.1f} | {ours:.1f} |")


if __name__ == "__main__":
    main()
