"""``dosepredict evaluate PREDICTED.dcm REFERENCE.dcm --rtstruct RS.dcm --out DIR``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_report, existing, prescriptions, structure_names
from .result import announce
from .running import check_output_folder, publish

if TYPE_CHECKING:
    from ..evaluation.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("predicted", type=Path, metavar="PREDICTED.dcm", help="RTDOSE to evaluate")
    parser.add_argument("reference", type=Path, metavar="REFERENCE.dcm", help="RTDOSE to compare with; grids may differ")
    parser.add_argument("--rtstruct", type=Path, required=True, metavar="RS.dcm", help="structures to compare them in")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for report, tables and maps")
    parser.add_argument("--ct", type=Path, metavar="DIR", help="folder with the planning CT, for the pictures")
    parser.add_argument("--plan", type=Path, metavar="RP.dcm", help="RTPLAN that states the prescription")
    parser.add_argument(
        "--prescription", nargs="+", action="extend", default=[], metavar="ROI=GY", help="whole course in Gy, e.g. PTV70=70"
    )
    parser.add_argument("--structures", type=Path, metavar="MAP.json", help='{"Parotid_L": "name of the ROI", ...}')
    parser.add_argument("--goals", type=Path, metavar="FILE.csv", help="clinical goals (those for head and neck)")
    parser.add_argument("--tps-dvh", type=Path, metavar="FILE", help="the TPS's histograms of REFERENCE: RTDOSE or Eclipse text")
    parser.add_argument(
        "--in-cgy", nargs="+", choices=("predicted", "reference"), default=[], help="its numbers are cGy, whatever it says"
    )
    add_report(parser)


def run(options: argparse.Namespace) -> int:
    """Compare; the result is in --out, or nothing is."""
    from ..evaluation.report_files import write_report

    check_output_folder(options.out)
    report = evaluate(options)
    with tempfile.TemporaryDirectory(prefix="dosepredict-") as folder:  # its user's only
        write_report(report, Path(folder), pdf=options.pdf)
        files = publish(Path(folder), options.out)
    announce(files, options.out, "evaluation")
    return 0


def evaluate(options: argparse.Namespace) -> Report:
    """Read, measure and compare."""
    from ..evaluation.goals import read_goals
    from ..evaluation.report import make_report
    from ..io.comparison import load_comparison
    from ..io.identity import identity, secrets
    from ..io.tps_dvh import read_tps_dvh
    from ..preprocessing.rasters import rasterise_all

    began = time.monotonic()
    goals = read_goals(Path(existing(options.goals))) if options.goals else None
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
    table = _given(options.tps_dvh)
    tabulated = read_tps_dvh(table, doses.case.structures) if table else ()
    rasters = rasterise_all(doses.case.structures, doses.case.ct.grid)
    read = round(time.monotonic() - began, 3)
    files = [path for path in (options.predicted, options.reference, options.rtstruct, options.ct, options.plan, table) if path]
    return make_report(
        case=doses.case,
        predicted=doses.predicted,
        occupancies=rasters.occupancies,
        model={},
        request={},
        warnings=doses.warnings,
        notes=(*doses.notes, *rasters.notes, *(f"{t.name}: {note}" for t in tabulated for note in t.notes)),
        timing_s={"read": read},
        goals=goals,
        tabulated=tabulated,
        identity=identity(doses.header),
        secrets=secrets(files, doses.header) if options.anonymise else None,
        thorough=True,
    )


def _given(path: Path | None) -> Path | None:
    return Path(existing(path)) if path else None
