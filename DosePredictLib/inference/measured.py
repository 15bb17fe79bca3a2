"""What will be measured, from what was planned: windows of adjacent slices through DMTP's network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core import DoseGrid, Grid, ModelError, OutputError, Recipe, Volume
from ..diffusion.sde import VarianceExploding
from ..models.dmtp import DMTP
from ..models.hardware import fast_bfloat16
from ..preprocessing.dose_channels import dose_conditions, measured_dose
from ..samplers.common import OnStep, gaussian
from ..samplers.predictor_corrector import Score, predictor_corrector
from .predictor import Prediction, Predictor, part_of, seeds_of

BATCH = 8  # windows at a time; the result does not depend on it


def process_of(recipe: Recipe) -> VarianceExploding:
    """recipe.diffusion: {"sigma": [least, most], "spread": of x_0, "start": sigma of the first noise, else the most}."""
    low, high = recipe.diffusion["sigma"]
    return VarianceExploding(low, high, recipe.diffusion["spread"])


def centre_of(recipe: Recipe, planned: Tensor) -> Tensor:
    """What x is counted from: the planned dose, or nothing where recipe.diffusion says "centre": "zero" (as the paper prints)."""
    return torch.zeros_like(planned) if recipe.diffusion.get("centre") == "zero" else planned


def windows(volume: Tensor, slices: int) -> Tensor:
    """(n, ...) -> (n, slices, ...): each slice between its neighbours; beyond the ends, the end."""
    reach = slices // 2
    return volume[_numbers(len(volume), reach)]


def merged(windows: Tensor) -> Tensor:
    """(n, slices, ...) -> (n, ...): the mean of all that the windows say about each slice."""
    count, slices = windows.shape[:2]
    numbers = _numbers(count, slices // 2).flatten().to(windows.device)
    total = torch.zeros_like(windows[:, 0]).index_add_(0, numbers, windows.flatten(0, 1))
    return total / torch.bincount(numbers, minlength=count).reshape(-1, *[1] * (total.ndim - 1))


def predict_measured(
    predictor: Predictor,
    planned: DoseGrid,
    ct: Volume | None,
    *,
    steps: int | None = None,
    samples: int = 1,
    seed: int = 0,
    grid: Grid | None = None,
    on_step: OnStep | None = None,
) -> Prediction:
    """What would be measured of ``planned``, on its grid. ct: for mode B. The same request gives the same dose on a device.

    grid: that the network sees, for OpenKBP, which is learned on its own voxels; the recipe's unless given.
    Raises ModelError for a model of another kind of dose, InputError as ``dose_conditions``.
    """
    network, recipe = predictor.network, predictor.recipe
    if not isinstance(network, DMTP):
        raise ModelError(f"The model {recipe.model} predicts no measured dose; take one that was trained as dmtp.")
    given = dose_conditions(planned, ct, recipe, grid)
    channels = torch.from_numpy(np.ascontiguousarray(given.channels.swapaxes(0, 1))).to(predictor.device)
    settings: dict[str, Any] = {"steps": steps or predictor.default_steps, "half": fast_bfloat16(predictor.device)}
    doses = []
    for number, one in enumerate(seeds_of(seed, samples)):
        part = part_of(on_step, number, samples)
        unit = sample_measured(network, recipe, channels, seed=one, on_step=part, **settings).numpy()
        if not np.isfinite(unit).all():
            raise OutputError("The network returned values that are not numbers; nothing was written. Try --device cpu.")
        doses.append(measured_dose(planned, unit, given, recipe))
    return averaged(doses)


def averaged(doses: Sequence[DoseGrid]) -> Prediction:
    """The mean of the samples and, of several, their spread."""
    if len(doses) == 1:
        return Prediction(doses[0], None, ())
    gray, grid = np.stack([dose.gray for dose in doses]), doses[0].grid
    mean = np.asarray(np.mean(gray, axis=0, dtype=np.float64), np.float32)
    return Prediction(DoseGrid(mean, grid), Volume(np.std(gray, axis=0, ddof=1), grid), (), tuple(doses))


def sample_measured(
    network: DMTP, recipe: Recipe, given: Tensor, *, steps: int, seed: int, half: bool = True, on_step: OnStep | None = None
) -> Tensor:
    """One sample of the measured dose. given: (slices, channels, rows, columns), the planned dose first.

    Returns (slices, rows, columns) in the recipe's unit. Every window has its own source of chance, made from ``seed``.
    half: bfloat16 inside the network.
    """
    process, settings = process_of(recipe), recipe.diffusion
    levels = process.levels(steps, settings.get("start"))
    centre, found = centre_of(recipe, given[:, 0]), []
    condition, total = windows(given, network.slices).flatten(1, 2), -(-len(given) // BATCH) * steps
    if on_step:
        on_step(0, total)
    for start in range(0, len(given), BATCH):
        seen = condition[start : start + BATCH].contiguous(memory_format=torch.channels_last)
        chance = [generator(seed, number) for number in range(start, start + len(seen))]
        shape = (len(seen), network.slices, *given.shape[-2:])
        x = predictor_corrector(
            score_of(network, process, seen, half=half),
            float(levels[0]) * gaussian(shape, chance, given.device),
            levels,
            generators=chance,
            corrections=settings["corrections"],
            snr=settings["snr"],
            on_step=_counted(on_step, start // BATCH * steps, total),
        )
        found.append(x)
    return (merged(torch.cat(found)) + centre).cpu()


def score_of(network: DMTP, process: VarianceExploding, condition: Tensor, *, half: bool) -> Score:
    """The score that the network's output stands for."""

    def score(x: Tensor, sigma: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            output = network(process.scaled(x, sigma), process.clock(sigma), condition)
        return process.score(process.clean(output.float(), x, sigma), x, sigma)

    return score


def generator(seed: int, window: int) -> torch.Generator:
    """The same whatever other windows there are."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, window]).generate_state(1, np.uint64)[0] >> 1))


def _numbers(count: int, reach: int) -> Tensor:
    return (torch.arange(count)[:, None] + torch.arange(-reach, reach + 1)).clamp(0, count - 1)


def _counted(on_step: OnStep | None, before: int, total: int) -> OnStep | None:
    return None if on_step is None else lambda done, _: on_step(before + done, total)
