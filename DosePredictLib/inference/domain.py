"""Is this case of the kind the model was trained on? Descriptors in plain words against their range in training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import OARS, Case, Grid, Recipe
from ..preprocessing.channels import network_grid, target_occupancies
from ..preprocessing.resample import resample

PRESCRIPTION = "highest prescription (Gy)"
ORGANS = "organs of the model found"
MARGIN = {PRESCRIPTION: 0.15}  # share of the range's ends that still is tolerated; the network sees shares of the prescription
ROUNDING = 0.01  # of the ranges as the card states them
FAR = 0.5  # how far beyond the training range, as a share of its end, a case is outside and not only unusual


@dataclass(frozen=True)
class Domain:
    """verdict: "inside", "unusual" (beyond all training cases) or "outside" (far beyond). reasons: one a descriptor, in words."""

    verdict: str
    reasons: tuple[str, ...] = ()


def check_domain(case: Case, card: dict[str, Any]) -> Domain:
    """Compare with ``card["domain"]``: {descriptor: [lowest, highest]} over the training cases; an empty one says nothing."""
    ranges = card.get("domain", {})
    found = descriptors(case, card.get("organs", OARS))
    unusual, outside = [], []
    for name, (low, high) in ranges.items():
        value, margin = found[name], MARGIN.get(name, FAR)
        words = f"{name}: {value:.3g}, in training {low:.3g} to {high:.3g}"
        if value < low * (1 - margin) or value > high * (1 + margin):
            outside.append(words)
        elif name not in MARGIN and not low * (1 - ROUNDING) <= value <= high * (1 + ROUNDING):
            unusual.append(words)
    if outside:
        return Domain("outside", tuple(outside + unusual))
    return Domain("unusual", tuple(unusual)) if unusual else Domain("inside")


def descriptors(case: Case, organs: Iterable[str], grid: Grid | None = None, spacing_mm: float = 3.0) -> dict[str, float]:
    """Numbers that say what kind of case this is."""
    grid = grid or network_grid(case, Recipe(model="", spacing_mm=(spacing_mm,) * 3))
    targets = {slot: occupancy for slot, occupancy in target_occupancies(case, grid).items() if occupancy is not None}
    whole = np.max(list(targets.values()), axis=0)
    slices = np.flatnonzero((whole >= 0.5).any(axis=(1, 2)))
    hu = resample(case.ct, grid, outside=-1000.0)[whole >= 0.5]
    return {
        PRESCRIPTION: case.prescription.highest_gy,
        ORGANS: float(sum(case.structure(name) is not None for name in organs)),
        "volume of the target of highest dose (cc)": float(next(iter(targets.values())).sum()) * grid.voxel_volume_cc,
        "volume of all targets (cc)": float(whole.sum()) * grid.voxel_volume_cc,
        "length of the targets (mm)": float(slices[-1] - slices[0] + 1) * grid.spacing[2],
        "lowest prescription as a share of the highest": case.prescription.targets[-1].dose_gy / case.prescription.highest_gy,
        "median CT number in the targets (HU + 1000)": float(np.median(hu)) + 1000,
    }
