"""What DiffDP's network should return: the noise, as the paper has it, or v. ``python Testing/Benchmarks/diffdp_output.py``

A small DiffDP learns four slices by heart; each line is the mean |dose error| of a way to sample, of a dose range of 2.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.diffusion.gaussian import GaussianDiffusion, linear_betas
from DosePredictLib.models.diffdp import DiffDP
from DosePredictLib.samplers.ddim import ddim
from DosePredictLib.samplers.ddpm import ddpm


def four_slices() -> tuple[Tensor, Tensor]:
    """(dose, condition): discs of dose, each elsewhere."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    centres = torch.tensor([[-0.4, -0.4], [0.4, -0.4], [-0.4, 0.4], [0.4, 0.4]])[:, :, None, None]
    distance = 0.5 - ((rows - centres[:, :1]) ** 2 + (columns - centres[:, 1:]) ** 2).sqrt()
    return (distance * 4).clamp(-1, 1), torch.cat([torch.zeros_like(distance), distance.expand(-1, 3, -1, -1)], dim=1)


def learned(diffusion: GaussianDiffusion, dose: Tensor, condition: Tensor) -> DiffDP:
    """100 steps of the structure encoder, then 200 of 16 slices of both; L1."""
    network = DiffDP(channels=4, widths=(16,) * 5, noise_width=32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)

    def descend(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(100):
        descend((network.estimate(network.encode(condition)) - dose).abs().mean())
    x_0, given = dose.repeat(4, 1, 1, 1), condition.repeat(4, 1, 1, 1)
    for _ in range(200):
        t, noise = torch.randint(1000, (16,)), torch.randn(16, 1, 16, 16)
        features = network.encode(given)
        output = network(diffusion.add_noise(x_0, noise, t), diffusion.told(t), features)
        estimate_error = (network.estimate(features) - x_0).abs().mean()
        descend((output - diffusion.target(x_0, noise, t)).abs().mean() + 0.1 * estimate_error)
    return network


@torch.no_grad()
def errors(network: DiffDP, diffusion: GaussianDiffusion, dose: Tensor, condition: Tensor) -> dict[str, float]:
    features = network.encode(condition)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        return diffusion.clean(network(x, diffusion.told(t), features), x, t)

    def noise() -> Tensor:
        return torch.randn(4, 1, 16, 16)

    ways: dict[str, Callable[[], Tensor]] = {"encoder alone": lambda: network.estimate(features)}
    for steps in (1, 8, 20, 50):
        ways[f"DDIM {steps}"] = lambda steps=steps: ddim(denoise, noise(), diffusion, steps=steps)
    chance = [torch.Generator().manual_seed(seed) for seed in range(4)]
    ways["ancestral, 1000"] = lambda: ddpm(denoise, noise(), diffusion, generators=chance)
    return {name: float((sample() - dose).abs().mean()) for name, sample in ways.items()}


def main() -> None:
    dose, condition = four_slices()
    for output in ("epsilon", "v"):
        torch.manual_seed(0)
        diffusion = GaussianDiffusion(linear_betas(), output, "gamma")
        for name, error in errors(learned(diffusion, dose, condition), diffusion, dose, condition).items():
            print(f"{output:8} {name:16} {error:.3f}")


if __name__ == "__main__":
    main()
