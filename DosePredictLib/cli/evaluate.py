"""``dosepredict evaluate PREDICTED.dcm REFERENCE.dcm --rtstruct RS.dcm --out DIR``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .options import existing, prescriptions, structure_names
from .running import check_output_folder, publish

if TYPE_CHECKING:
    from ..evaluation.report import Report

CONTENT = {
    "report.html": "report",
    "report.json": "its numbers",
    "dvh.csv": "dose-volume histograms",
    "difference.nrrd": "predicted - reference, Gy",
    "gamma.nrrd": "gamma index",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("predicted", type=Path, metavar="PREDICTED.dcm", help="RTDOSE to evaluate")
    parser.add_argument("reference", type=Path, metavar="REFERENCE.dcm", help="RTDOSE to compare with; grids may differ")
    parser.add_argument("--rtstruct", type=Path, required=True, metavar="RS.dcm", help="structures to compare them in")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for report, histograms and maps")
    parser.add_argument("--ct", type=Path, metavar="DIR", help="folder with the planning CT, for the pictures")
    parser.add_argument("--plan", type=Path, metavar="RP.dcm", help="RTPLAN that states the prescription")
    parser.add_argument(
        "--prescription", nargs="+", action="extend", default=[], metavar="ROI=GY", help="whole course in Gy, e.g. PTV70=70"
    )
    parser.add_argument("--structures", type=Path, metavar="MAP.json", help='{"Parotid_L": "name of the ROI", ...}')
    parser.add_argument("--goals", type=Path, metavar="FILE", help="clinical goals (those for head and neck)")
    parser.add_argument(
        "--in-cgy",
        nargs="+",
        choices=("predicted", "reference"),
        default=[],
        help="its numbers are cGy, whatever it says",
    )


def run(options: argparse.Namespace) -> int:
    """Compare; the result is in --out, or nothing is."""
    from ..evaluation.report_files import write_report

    check_output_folder(options.out)
    report = evaluate(options)
    with tempfile.TemporaryDirectory(prefix="dosepredict-") as folder:  # 0700
        write_report(report, Path(folder))
        files = publish(Path(folder), options.out)
    print(f"The evaluation is in {options.out}:")
    for path in files:
        print(f"  {CONTENT.get(path.name, ''):<24} {path.name}")
    return 0


def evaluate(options: argparse.Namespace) -> Report:
    """Read, measure and compare."""
    from ..evaluation.goals import read_goals
    from ..evaluation.report import make_report
    from ..io.comparison import load_comparison
    from ..preprocessing.rasters import rasterise_all

    began = time.monotonic()
    doses = load_comparison(
        Path(existing(options.predicted)),
        Path(existing(options.reference)),
        Path(existing(options.rtstruct)),
        ct=_given(options.ct),
        plan=_given(options.plan),
        names=structure_names(options.structures),
        prescription=prescriptions(options.prescription),
        in_centigray=options.in_cgy,
    )
    rasters = rasterise_all(doses.case.structures, doses.case.ct.grid)
    return make_report(
        case=doses.case,
        predicted=doses.predicted,
        occupancies=rasters.occupancies,
        model={},
        request={},
        warnings=doses.warnings,
        notes=(*doses.notes, *rasters.notes),
        timing_s={"read": round(time.monotonic() - began, 3)},
        goals=read_goals(Path(existing(options.goals))) if options.goals else None,
    )


def _given(path: Path | None) -> Path | None:
    return Path(existing(path)) if path else None
