"""The files of a report: one self-contained page, PDF, the same numbers as JSON and CSV, maps as NRRD."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core import OutputError, Volume
from .goals import goals_csv
from .measured_report import MeasuredReport
from .objectives import objectives, objectives_csv
from .report import Report
from .structure_metrics import StructureRow

CURVE_STEP_GY = 0.1
NOT_EVALUATED = -1.0  # in gamma.nrrd


def write_report(report: Report, folder: Path, *, pdf: bool = False) -> list[Path]:
    """Write report.html, dvh.csv, goals.csv, objectives.csv, with several samples uncertainty.nrrd, with a reference dose
    difference.nrrd and gamma.nrrd, report.pdf where wanted, and last report.json; as ``write_files``.
    """
    from .report_html import page
    from .report_pdf import write_pdf

    texts = {
        "report.html": page(report),
        "dvh.csv": _curves(report.rows),
        "goals.csv": goals_csv(report.goals),
        "objectives.csv": objectives_csv(objectives(report.rows, report.goals)),
    }
    return write_files(folder, texts, _maps(report), partial(write_pdf, report) if pdf else None, report.to_dict())


def write_measured_report(report: MeasuredReport, folder: Path, *, pdf: bool = False) -> list[Path]:
    """The same files of a predicted measured dose, but for goals and objectives, which it has none of."""
    from .measured_page import measured_page
    from .measured_pdf import write_measured_pdf

    texts = {"report.html": measured_page(report), "dvh.csv": _curves(report.rows, "predicted measured")}
    maps = [("difference.nrrd", report.change, 0.0), ("gamma.nrrd", report.gamma.volume, NOT_EVALUATED)]
    maps += [("uncertainty.nrrd", report.uncertainty.spread, 0.0)] if report.uncertainty else []
    return write_files(folder, texts, maps, partial(write_measured_pdf, report) if pdf else None, report.to_dict())


def write_files(
    folder: Path,
    texts: Mapping[str, str],
    maps: Iterable[tuple[str, Volume, float]],
    write_pdf: Callable[[Path], None] | None,
    content: Mapping[str, Any],
) -> list[Path]:
    """texts: by file name. maps: file name, volume, and what stands for no value. content: of report.json, which is last.

    Each file appears whole or not at all. Raises OutputError where the folder cannot be written.
    """
    try:
        paths = [_written(folder / name, text) for name, text in texts.items()]
        paths += [_written_volume(folder / name, volume, missing) for name, volume, missing in maps]
        paths += [_written_pdf(folder / "report.pdf", write_pdf)] if write_pdf else []
        return [*paths, _written_json(content, folder)]
    except OSError as error:
        raise OutputError(f"The report cannot be written to the folder '{folder.name}': {error.strerror}.") from error


def write_json(report: Report, folder: Path) -> Path:
    """Write report.json alone, e.g. once more with the last entries of ``timing_s``."""
    return _written_json(report.to_dict(), folder)


def _maps(report: Report) -> list[tuple[str, Volume, float]]:
    """File name, volume, and what stands for no value."""
    maps = [("uncertainty.nrrd", report.uncertainty.spread, 0.0)] if report.uncertainty else []
    if report.comparison is not None:
        maps += [
            ("difference.nrrd", report.comparison.change, 0.0),
            ("gamma.nrrd", report.comparison.gamma.volume, NOT_EVALUATED),
        ]
    return maps


def _written(path: Path, text: str) -> Path:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="")
    os.replace(part, path)
    return path


def _written_json(content: Mapping[str, Any], folder: Path) -> Path:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return _written(folder / "report.json", text + "\n")


def _written_pdf(path: Path, write: Callable[[Path], None]) -> Path:
    part = path.with_name(path.name + ".part")
    write(part)
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


def _curves(rows: Sequence[StructureRow], name: str = "predicted") -> str:
    """CSV: dose in Gy, then percent of the volume that receives at least it, for each structure and dose."""
    curves = {f"{row.roi} {name} (%)": row.predicted for row in rows}
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
