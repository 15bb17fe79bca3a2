"""How sure a model's samples are, and how sure they should be: the spread's scale, and what intervals then cover.

    python Testing/Benchmarks/calibration.py --data VALIDATION --model resdose --samples 8 [--plot PNG] [--json FILE] [--limit N]

A 90 % interval of a voxel is the dose more or less scale x the half width of ``evaluation.uncertainty`` of its samples. The
scale makes such intervals hold 90 % of the voxels that get at least 10 % of the prescription, on average over the patients.
The same of the criteria of targets, which lie at steep edges that draws at half resolution do not have: a scale of their own.
What is covered is counted on patients that did not set the scale: each half of them has that of the other half.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from results import reference_of
from scipy.stats import t

from DosePredictLib.evaluation.openkbp import OAR_NAMES, TARGET_NAMES, dvh_metrics
from DosePredictLib.evaluation.uncertainty import PERCENT, half_width
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.io.openkbp import OpenKbpPatient, find_patients, is_complete, read_patient

LEVELS = np.arange(5, 100, 5)  # percent of probability, for the plot
ISODOSE = 0.1  # of the prescription


@dataclass(frozen=True, eq=False)
class Ratios:
    """|planned - predicted| in half widths, of one patient: voxels, voxels by structure, criteria of structures."""

    voxels: np.ndarray
    by_structure: Mapping[str, np.ndarray]
    criteria: Mapping[str, list[float]]


def ratios_of(patient: OpenKbpPatient, predictor: Predictor, *, samples: int, seed: int) -> Ratios:
    found = predictor.predict(patient.case, samples=samples, seed=seed, grid=patient.case.ct.grid, trust_air=True)
    planned, draws = reference_of(patient.case).gray, [draw.gray for draw in found.samples]
    ratio = ratio_to(half_width(np.array(draws)), planned - found.dose.gray)
    highest = patient.case.prescription.highest_gy
    dosed = patient.possible_dose_mask & (planned >= ISODOSE * highest)
    return Ratios(
        ratio[dosed],
        {name: ratio[dosed & mask] for name, mask in patient.masks.items() if (dosed & mask).any()},
        criteria_ratios(patient, planned, found.dose.gray, draws),
    )


def criteria_ratios(
    patient: OpenKbpPatient, planned: np.ndarray, predicted: np.ndarray, draws: Sequence[np.ndarray]
) -> dict[str, list[float]]:
    """By structure, of the criteria of the challenge's DVH score."""
    spacing = patient.case.ct.grid.spacing
    theirs, ours, *drawn = (dvh_metrics(dose, patient.masks, spacing) for dose in (planned, predicted, *draws))
    found = defaultdict(list)
    for key in theirs:
        half = half_width(np.array([one[key] for one in drawn]))
        found[key[1]].append(float(ratio_to(half, theirs[key] - ours[key])))
    return dict(found)


def ratio_to(half: np.ndarray | float, error: np.ndarray | float) -> np.ndarray:
    return np.abs(error) / np.maximum(half, 1e-6)


def scale_for(ratios: Sequence[np.ndarray], percent: float = PERCENT) -> float:
    """The least scale with which ``percent`` of each patient's values are covered, on average over the patients."""
    low, high = 0.0, max(float(one.max()) for one in ratios)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if coverage(ratios, middle) >= percent else (middle, high)
    return high


def coverage(ratios: Sequence[np.ndarray], scale: float) -> float:
    """Percent, mean over patients."""
    return 100 * float(np.mean([(one <= scale).mean() for one in ratios]))


Values = Callable[[Ratios], Sequence[float]]


def voxels_of(one: Ratios) -> np.ndarray:
    return one.voxels


def target_criteria_of(one: Ratios) -> np.ndarray:
    return np.array([ratio for name in TARGET_NAMES for ratio in one.criteria.get(name, ())])


def crossed(found: Sequence[Ratios], values: Values, scaled_by: Values = voxels_of) -> float:
    """Percent of ``values`` covered with the scale for ``scaled_by`` of the other half of the patients; NaN for none."""
    halves = found[::2], found[1::2]
    covered = []
    for own, other in (halves, halves[::-1]):
        scale = scale_for([np.asarray(scaled_by(one)) for one in other])
        covered += [(np.asarray(values(one)) <= scale).mean() for one in own if len(values(one))]
    return 100 * float(np.mean(covered)) if covered else float("nan")


def table(found: Sequence[Ratios]) -> dict[str, dict[str, float]]:
    """By structure: patients, and percent of its voxels and of its criteria that are covered."""
    rows = {}
    for name in sorted({name for one in found for name in one.by_structure}, key=lambda name: (name in OAR_NAMES, name)):
        rows[name] = {
            "patients": sum(name in one.by_structure for one in found),
            "voxels": crossed(found, lambda one, name=name: one.by_structure.get(name, ())),
            "criteria": crossed(
                found,
                lambda one, name=name: one.criteria.get(name, ()),
                target_criteria_of if name in TARGET_NAMES else voxels_of,
            ),
        }
    return rows


def reliability(found: Sequence[Ratios], scale: float, samples: int) -> list[tuple[float, float, float]]:
    """(expected, found without scale, found with it), percent of voxels, at ``LEVELS``."""
    voxels = [one.voxels for one in found]
    quantiles = t(samples - 1).ppf(0.5 + np.array([*LEVELS, PERCENT]) / 200)
    width = quantiles[:-1] / quantiles[-1]  # in half widths of the 90 % interval
    return [(float(level), coverage(voxels, w), coverage(voxels, scale * w)) for level, w in zip(LEVELS, width, strict=True)]


def draw(points: Sequence[tuple[float, float, float]], title: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    expected, plain, scaled = np.array(points).T
    axes.plot([0, 100], [0, 100], color="0.7", linewidth=1)
    axes.plot(expected, plain, "o--", color="#c44e52", markersize=4, label="samples as they are")
    axes.plot(expected, scaled, "o-", color="#4c72b0", markersize=4, label="times the scale")
    axes.set(xlabel="interval of probability (%)", ylabel="voxels whose planned dose it holds (%)", title=title)
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="resdose")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    predictor = Predictor.load(options.model, "cpu")
    folders = [folder for folder in find_patients(options.data) if is_complete(folder)][: options.limit]
    found = [ratios_of(read_patient(folder), predictor, samples=options.samples, seed=options.seed) for folder in folders]
    voxels = [one.voxels for one in found]
    scale, held = scale_for(voxels), crossed(found, voxels_of)
    targets = scale_for([target_criteria_of(one) for one in found])
    print(f"{len(found)} patients, {options.samples} samples; spread_scale {scale:.2f}, spread_scale_targets {targets:.2f}")
    print(f"voxels above {ISODOSE:.0%} of the prescription covered: {coverage(voxels, 1):.0f} % unscaled, {held:.0f} % scaled")
    rows = table(found)
    print("| structure | patients | voxels | criteria |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['patients']} | {row['voxels']:.0f} % | {row['criteria']:.0f} % |")
    points = reliability(found, scale, options.samples)
    if options.plot:
        draw(points, f"{options.model}, {options.samples} samples, {len(found)} patients", options.plot)
    if options.json:
        scales = {"spread_scale": scale, "spread_scale_targets": targets, "coverage_90": held / 100, "n": len(found)}
        result = {**scales, "structures": rows, "reliability": points}
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
