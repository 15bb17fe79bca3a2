"""``dosepredict commission CASES... --model ID --out DIR``: how the model does over a folder of cases, as one page."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from .cohort import add_cohort, case_folders, cohort_of, worked_through
from .running import check_output_folder, publish

KEPT = "measured-cases"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cohort(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the report")
    parser.add_argument("--names", action="store_true", help="name the cases by their folders instead of numbers")


def run(options: argparse.Namespace) -> int:
    """Predict every case; a case done before into the same folder is not done again."""
    from ..evaluation.commissioning import Commissioning, cases_csv
    from ..evaluation.commissioning_page import page

    check_output_folder(options.out)
    folders = case_folders(options.cases)
    cohort = cohort_of(options, options.out / KEPT)
    outcomes = worked_through(cohort, folders)
    labels = {outcome.number: outcome.folder.name if options.names else outcome.label for outcome in outcomes}
    found = Commissioning(
        {labels[outcome.number]: outcome.result for outcome in outcomes if outcome.result},
        {labels[o.number]: o.reason if options.names else o.nameless_reason for o in outcomes if not o.result},
        cohort.predictor.card,
        {"steps": cohort.steps, "samples": cohort.samples, "seed": cohort.seed, "device": cohort.predictor.device.type},
    )
    texts = {
        "commissioning.html": page(found),
        "commissioning.json": json.dumps(found.to_dict(), indent=1) + "\n",
        "cases.csv": cases_csv(found),
    }
    with tempfile.TemporaryDirectory(prefix="dosepredict-") as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8", newline="")
        publish(Path(folder), options.out)
    print(
        f"{len(found.results)} cases: dose {found.dose_errors.mean():.2f} Gy, metrics {found.to_dict()['dvh_error_gy']:.2f} Gy."
    )
    print(f"The report is {options.out / 'commissioning.html'}.")
    return 0
