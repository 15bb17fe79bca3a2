"""The report of a prediction: one self-contained HTML page, the same numbers as JSON, the curves as CSV, maps as NRRD."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core import BODY, Case, DoseGrid, OutputError, Volume
from ..resources import resource
from .difference import Errors, difference, errors
from .gamma import Gamma, gamma
from .goals import Goal, GoalResult, evaluate_goals, read_goals
from .interpolation import on_grid
from .structure_metrics import StructureRow, structure_rows

SCHEMA = "dosepredict.report/1"
CURVE_STEP_GY = 0.1
NOT_EVALUATED = -1.0  # in gamma.nrrd


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a reference dose allows to say; both volumes are on its grid."""

    change: Volume
    errors: tuple[Errors, ...]
    gamma: Gamma


@dataclass(frozen=True, eq=False)
class Report:
    """Everything the page and the JSON say. ``timing_s`` may be completed until they are written."""

    case: Case
    predicted: DoseGrid
    rows: tuple[StructureRow, ...]
    goals: tuple[GoalResult, ...]
    comparison: Comparison | None
    pictures: Mapping[str, str]
    model: Mapping[str, Any]
    request: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outside_domain: str | None = None
    timing_s: MutableMapping[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json: numbers with fixed keys, null where a value would mislead."""
        content = {
            "schema": SCHEMA,
            "notice": "Research software. Not a medical device. Not for treatment.",
            "model": {key: self.model.get(key) for key in ("id", "version", "weights_sha256")},
            "request": {key: self.request.get(key) for key in ("steps", "samples", "seed", "device")},
            "prescription": [asdict(target) for target in self.case.prescription.targets],
            "outside_domain": self.outside_domain,
            "structures": [row.to_dict() for row in self.rows],
            "goals": [goal.to_dict() for goal in self.goals],
            **self._compared(),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "timing_s": dict(self.timing_s),
            "peak_rss_mb": self.peak_rss_mb,
        }
        return _finite(content)

    def _compared(self) -> dict[str, Any]:
        if self.comparison is None:
            return {"gamma": None, "errors": []}
        found = self.comparison.gamma
        described = {
            "criteria": found.description, "dose_percent": found.dose_percent, "distance_mm": found.distance_mm,
            "local": found.local, "threshold_percent": found.threshold_percent, "normalisation_gy": found.normalisation_gy,
            "points": int(found.evaluated.size), "percent_within_1": found.percent_within, "mean": found.mean,
        }  # fmt: skip
        return {"gamma": described, "errors": [asdict(e) for e in self.comparison.errors]}


def make_report(
    *,
    case: Case,
    predicted: DoseGrid,
    occupancies: Mapping[str, Volume],
    model: Mapping[str, Any],
    request: Mapping[str, Any],
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    timing_s: MutableMapping[str, float] | None = None,
    peak_rss_mb: float = 0.0,
    outside_domain: str | None = None,
    uncertainty: Volume | None = None,
    goals: Sequence[Goal] | None = None,
) -> Report:
    """Measure a predicted dose, and compare it with the case's reference dose where there is one.

    occupancies: by ROI name, each on any grid. model: the model card. uncertainty: standard deviation of the samples, Gy.
    goals: those of Resources/ClinicalGoals/head_and_neck.csv unless given. timing_s: kept as it is, so the caller may add
    to it until the report is written. Raises InputError or GeometryError where the two doses cannot be compared.
    """
    from .report_figures import box_around, dvh_figure, plane_figures

    rows = tuple(structure_rows(case, predicted, occupancies, uncertainty=uncertainty))
    empty = [f"{roi} has no volume and is left out." for roi, o in occupancies.items() if not o.array.any()]
    comparison = _compare(case, predicted, occupancies)
    goals = read_goals(resource("ClinicalGoals", "head_and_neck.csv")) if goals is None else goals
    planned = {row.roi: row.planned for row in rows if row.planned is not None}
    results = evaluate_goals(goals, case, {row.roi: row.predicted for row in rows}, planned)
    box = box_around(case, predicted, occupancies)
    change = comparison.change if comparison else None
    pictures = plane_figures(case, predicted, change, occupancies, box)
    pictures["DVH"] = dvh_figure(rows, case.prescription.highest_gy)
    return Report(
        case, predicted, rows, tuple(results), comparison, pictures, model, request, tuple(warnings), (*notes, *empty),
        outside_domain, timing_s if timing_s is not None else {}, peak_rss_mb,
    )  # fmt: skip


def _compare(case: Case, predicted: DoseGrid, occupancies: Mapping[str, Volume]) -> Comparison | None:
    if case.reference is None:
        return None
    change = difference(predicted, case.reference)
    highest = case.prescription.targets[0]
    masks = {"where the planned dose is at least 10 % of the prescription": case.reference.gray >= 0.1 * highest.dose_gy}
    places = {"inside the body contour": case.names.get(BODY, ""), "in the target of the highest prescription": highest.roi}
    for described, roi in places.items():
        if roi in occupancies:
            masks[described] = on_grid(occupancies[roi], case.reference.grid) >= 0.5
    measured = tuple(errors(change, mask, described=described) for described, mask in masks.items())
    return Comparison(change, measured, gamma(predicted, case.reference))


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write report.html, dvh.csv, with a reference dose difference.nrrd and gamma.nrrd, and last report.json.

    Each file appears whole or not at all. Raises OutputError where the folder cannot be written.
    """
    from .report_html import page

    try:
        written = [_written(folder / "report.html", page(report)), _written(folder / "dvh.csv", _curves(report.rows))]
        if report.comparison is not None:
            found = report.comparison.gamma.volume
            written.append(_written_volume(folder / "difference.nrrd", report.comparison.change, 0.0))
            written.append(_written_volume(folder / "gamma.nrrd", found, NOT_EVALUATED))
        return [*written, write_json(report, folder)]
    except OSError as error:
        raise OutputError(f"The report cannot be written to the folder '{folder.name}': {error.strerror}.") from error


def write_json(report: Report, folder: Path) -> Path:
    """Write report.json alone, e.g. once more with the last entries of ``timing_s``."""
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    return _written(folder / "report.json", text + "\n")


def _written(path: Path, text: str) -> Path:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="")
    os.replace(part, path)
    return path


def _written_volume(path: Path, volume: Volume, missing: float) -> Path:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.nan_to_num(volume.array, nan=missing).astype(np.float32))
    image.SetOrigin(volume.grid.origin)
    image.SetSpacing(volume.grid.spacing)
    image.SetDirection(volume.grid.direction)
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    sitk.WriteImage(image, str(part), useCompression=True)
    os.replace(part, path)
    return path


def _curves(rows: Sequence[StructureRow]) -> str:
    """CSV: dose in Gy, then percent of the volume that receives at least it, for each structure and dose."""
    curves = {f"{row.roi} predicted (%)": row.predicted for row in rows}
    curves |= {f"{row.roi} planned (%)": row.planned for row in rows if row.planned is not None}
    highest = max((float(dvh.dose_gy[-1]) for dvh in curves.values() if len(dvh.dose_gy)), default=0.0)
    steps = int(np.ceil(highest / CURVE_STEP_GY)) + 1
    columns = [dvh.curve(steps, highest_gy=(steps - 1) * CURVE_STEP_GY)[1] for dvh in curves.values()]
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["Dose (Gy)", *curves])
    for step, values in enumerate(zip(*columns, strict=True)):
        writer.writerow([f"{step * CURVE_STEP_GY:.1f}", *(f"{value:.3f}" for value in values)])
    return stream.getvalue()


def _finite(value: Any) -> Any:
    """JSON knows no NaN: null instead."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if math.isfinite(value) else None
    return value
