"""``dosepredict predict CASE --out DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..model_card import result_of
from ..registry import find, verify
from ..worker.protocol import Request
from .options import (
    add_case,
    add_choose,
    add_model,
    add_report,
    choices,
    existing,
    positive,
    prescriptions,
    structure_names,
    voxel_size_or_name,
)
from .result import announce
from .running import run_job

PROFILES = ("stub-plan", "plan", "overview")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_case(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for RTDOSE, stub plan and report")
    add_model(parser)
    parser.add_argument("--structures", type=Path, metavar="MAP.json", help='{"Parotid_L": "name of the ROI", ...}')
    parser.add_argument(
        "--prescription", nargs="+", action="extend", default=[], metavar="ROI=GY", help="whole course in Gy, e.g. PTV70=70"
    )
    add_choose(parser)
    parser.add_argument("--technique", metavar="NAME", help="for a model that learned several: IMRT, VMAT, ...")
    parser.add_argument("--site", metavar="NAME", help="for a model that learned several: Head and neck, ...")
    parser.add_argument(
        "--reference", type=Path, metavar="RTDOSE", help="planned dose: to compare with, or, by a model of "
        "measured dose, to predict from",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="predictions whose spread is shown (the model's own number)"
    )
    parser.add_argument("--steps", type=positive, metavar="N", help="sampling steps (the model's own number)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same dose (0)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute (auto)")
    parser.add_argument(
        "--grid", type=voxel_size_or_name, default="dose", metavar="ct|dose|MM", help="grid of the RTDOSE: of the CT, "
        "of the planned dose (2.5 mm where there is none), or of a voxel size in mm (dose)",
    )  # fmt: skip
    parser.add_argument("--profile", choices=PROFILES, default="stub-plan", help="what the RTDOSE refers to (stub-plan)")
    parser.add_argument("--outside-domain", action="store_true", help="predict, marked, where the model does not apply")
    add_report(parser)
    parser.add_argument("--progress", choices=("bar", "json", "none"), default="bar", help="how progress is shown (bar)")


def run(options: argparse.Namespace) -> int:
    """Predict; the result is in --out, or nothing is."""
    request = request_of(options)
    model = find(request.model)
    verify(model)
    files = run_job(request, options.out, progress=options.progress)
    if options.progress != "json":
        announce(files, options.out, dose=result_of(model.card))
    return 0


def request_of(options: argparse.Namespace) -> Request:
    """Raises InputError for files that do not exist and for options that cannot be read."""
    return Request(
        kind="predict",
        paths=tuple(existing(path) for path in options.case),
        model=options.model,
        names=structure_names(options.structures),
        prescription=prescriptions(options.prescription),
        choose=choices(options.choose),
        treatment={what: named for what in ("technique", "site") if (named := getattr(options, what))},
        reference=existing(options.reference) if options.reference else None,
        steps=options.steps,
        samples=options.samples,
        seed=options.seed,
        device=options.device,
        grid=options.grid,
        profile=options.profile,
        outside_domain=options.outside_domain,
        anonymise=options.anonymise,
        pdf=options.pdf,
    )
