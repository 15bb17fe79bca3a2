"""``dosepredict check-rtdose FILE... [--ct DIR] [--rtstruct RS.dcm]``."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .options import existing

if TYPE_CHECKING:
    from ..io.findings import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="RT Doses of any vendor, and the plans they refer to")
    parser.add_argument("--ct", type=Path, metavar="DIR", help="folder of the planning CT")
    parser.add_argument("--rtstruct", type=Path, metavar="RS.dcm", help="structure set")
    parser.add_argument("--quiet", action="store_true", help="errors and warnings only")


def run(options: argparse.Namespace) -> int:
    """A line for each finding; exit code 1 where there is an error."""
    from ..io.rtdose_check import ERROR, NOTE, check_rtdose, companions

    files = [Path(existing(path)) for path in options.files]
    plans = [path for path in files if is_plan(path)]
    ct, rtstruct = (Path(existing(path)) if path else None for path in (options.ct, options.rtstruct))
    beside = companions(ct, rtstruct, plans)
    wrong = False
    for path in (path for path in files if path not in plans):
        found = check_rtdose(path, beside)
        wrong |= any(finding.severity == ERROR for finding in found)
        print(f"{path.name}: {summary(found)}")
        for finding in found:
            if finding.severity != NOTE or not options.quiet:
                print(f"  {finding}")
    return 1 if wrong else 0


def is_plan(path: Path) -> bool:
    from ..core.errors import DicomError
    from ..io.headers import read_header
    from ..io.rtdose_check import kind_of
    from ..io.scan import RTPLAN

    try:
        return kind_of(read_header(path, ["SOPClassUID", "Modality"])) == RTPLAN
    except DicomError:
        return False


def summary(found: Sequence[Finding]) -> str:
    """ "1 error, 2 notes"."""
    counts = Counter(finding.severity for finding in found)  # in the order of the findings: errors first
    said = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items())
    return said or "nothing found"
