"""``dosepredict demo``: a synthetic patient from DICOM to report."""

from __future__ import annotations

import argparse
import shutil
import webbrowser
from pathlib import Path

from ..core.errors import OutputError
from ..model_card import result_of
from ..registry import find, verify
from ..worker.protocol import Request
from .options import add_model
from .result import announce
from .running import RESULT, check_output_folder, run_job

PATIENT, PREDICTION = "patient", "prediction"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("dosepredict-demo"), metavar="DIR", help="folder (./dosepredict-demo)")
    add_model(parser)
    parser.add_argument("--open", action="store_true", help="open the report in the browser")


def run(options: argparse.Namespace) -> int:
    """Make the patient and predict; DIR/patient and DIR/prediction of an earlier demo are replaced."""
    from ..phantom import write_phantom

    model = find(options.model)
    verify(model)
    patient, prediction = options.out / PATIENT, options.out / PREDICTION
    clear_earlier_demo(options.out)
    check_output_folder(prediction)
    print("Making a synthetic head-and-neck patient ...", flush=True)
    write_phantom(patient)
    request = Request(kind="predict", paths=(str(patient.absolute()),), model=options.model)
    files = run_job(request, prediction, progress="bar")
    print(f"The patient (CT, RTSTRUCT, RTPLAN, RTDOSE) is in {patient}.")
    announce(files, prediction, dose=result_of(model.card))
    if options.open:
        webbrowser.open((prediction / "report.html").absolute().as_uri())
    return 0


def clear_earlier_demo(folder: Path) -> None:
    """Raises OutputError for a folder that holds anything else; only what a demo made is removed."""
    if not folder.exists():
        return
    strangers = [path.name for path in folder.iterdir() if path.name not in (PATIENT, PREDICTION)]
    made_here = (folder / PREDICTION / RESULT).exists() or not any(folder.iterdir())
    if strangers or not made_here:
        raise OutputError(f"The folder {folder.name} holds something else than an earlier demo; choose another one with --out.")
    for name in (PATIENT, PREDICTION):
        shutil.rmtree(folder / name, ignore_errors=True)
