"""``dosepredict calibrate CASES... --model ID [--out FILE]``: how the model errs on this site's own plans."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..registry import calibration_file
from .cohort import add_cohort, case_folders, cohort_of, worked_through


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cohort(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="for the calibration; without it, reports of this user show it")


def run(options: argparse.Namespace) -> int:
    """Predict every case, and keep what is learned; a case done before is not done again. Raises InputError for too few cases."""
    from ..evaluation.calibration import calibrate, check_enough, write_calibration

    folders = case_folders(options.cases)
    check_enough(len(folders))
    out = options.out or calibration_file(options.model)
    cohort = cohort_of(options, calibration_file(options.model).with_suffix(""))
    results = [outcome.result for outcome in worked_through(cohort, folders) if outcome.result]
    calibration = calibrate(results, cohort.predictor.card, steps=cohort.steps, samples=cohort.samples)
    write_calibration(calibration, out)
    for sentence in calibration.sentences(sorted({error.structure for error in calibration.errors})):
        print(sentence)
    print(f"The calibration on {len(results)} plans is in {out}.")
    return 0
