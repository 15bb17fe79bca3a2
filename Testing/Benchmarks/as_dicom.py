"""OpenKBP's patients as a clinic would bring them: as DICOM, with contours, through the whole of ``dosepredict predict``.

    python Testing/Benchmarks/as_dicom.py --data validation-pats [--model ID] [--only pt_N ...] [--limit N]

The exported RTDOSE is scored by the challenge's official scores, but in the body alone: no dose is exported for masks and couch.
Contours follow the voxels' edges; an External is the body that is found on the CT, and the targets. Left out are patients whose
CT does not show where dose was planned, as OpenKBP has some. Prints Markdown; who is refused is counted, and named on the way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from DosePredictLib.cli.benchmark import add, where_possible
from DosePredictLib.core import BODY, Case, DoseGrid, Grid, Structure, StructureSet
from DosePredictLib.evaluation.openkbp import Scores
from DosePredictLib.evaluation.openkbp_statistics import PatientErrors, compare
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.io.openkbp import OpenKbpPatient, find_patients, read_patient
from DosePredictLib.io.rtdose import read_rtdose
from DosePredictLib.phantom.dicom import write_case
from DosePredictLib.phantom.isolines import isolines
from DosePredictLib.preprocessing.body import body_mask
from DosePredictLib.preprocessing.channels import EMPTY_HU
from DosePredictLib.preprocessing.dose_channels import gray_on
from DosePredictLib.registry import DEFAULT_MODEL

SHOWN = 0.99  # of the voxels where dose may be
FINER = 4  # contours are drawn on this many points a voxel, so that they follow its edges
CHALLENGE = "as the challenge has them"

Predict = Callable[[OpenKbpPatient], DoseGrid]


class Refused(Exception):
    """With the sentence that the user sees."""


def contoured(name: str, mask: np.ndarray, grid: Grid, number: int) -> Structure:
    """A structure [k, j, i] bool as closed contours around its voxels."""
    planes = ((k, isolines(np.kron(mask[k], np.ones((FINER, FINER))) - 0.5)) for k in np.flatnonzero(mask.any(axis=(1, 2))))
    points = (np.column_stack([(one + 0.5) / FINER - 0.5, np.full(len(one), k)]) for k, plane in planes for one in plane)
    return Structure(name, contours=tuple(grid.to_world(one) for one in points), number=number)


def in_body(patient: OpenKbpPatient) -> np.ndarray:
    """[k, j, i] bool: without mask and couch, with all of the targets."""
    targets = [patient.masks[target.roi] for target in patient.case.prescription.targets]
    return reduce(np.logical_or, targets, body_mask(patient.case.ct))


def is_shown(patient: OpenKbpPatient) -> bool:
    """Whether the CT shows something wherever dose may be."""
    return bool((patient.case.ct.array > EMPTY_HU)[patient.possible_dose_mask].mean() > SHOWN)


def as_clinical(patient: OpenKbpPatient, *, external: bool) -> Case:
    case, masks = patient.case, dict(patient.masks)
    if external:
        masks[BODY] = in_body(patient)
    structures = (contoured(name, mask, case.ct.grid, number) for number, (name, mask) in enumerate(masks.items(), start=1))
    return replace(case, structures=StructureSet(tuple(structures)))


def predicted_from_dicom(patient: OpenKbpPatient, model: str, *, external: bool) -> DoseGrid:
    """The RTDOSE that ``dosepredict predict`` exports. Raises Refused."""
    with tempfile.TemporaryDirectory() as folder:
        case, out = Path(folder) / "case", Path(folder) / "out"
        write_case(case, as_clinical(patient, external=external))
        command = [sys.executable, "-m", "DosePredictLib", "predict", str(case), "--out", str(out), "--model", model]
        done = subprocess.run([*command, "--progress", "none"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.stderr.strip())
        return read_rtdose(next(out.glob("RD*.dcm"))).dose


def ways_of(model: str) -> dict[str, Predict]:
    predictor = Predictor.load(model)
    return {
        CHALLENGE: lambda one: predictor.predict(one.case, grid=one.case.ct.grid, trust_air=True).dose,
        "DICOM, External contoured": lambda one: predicted_from_dicom(one, model, external=True),
        "DICOM, no External": lambda one: predicted_from_dicom(one, model, external=False),
    }


def score(patient: OpenKbpPatient, ways: dict[str, Predict], scores: dict[str, Scores]) -> None:
    """Every way's dose of a patient, or none where one of them refuses him."""
    try:
        doses = {words: predict(patient) for words, predict in ways.items()}
    except Refused as refused:
        print(f"{patient.id}: {refused}", file=sys.stderr, flush=True)
        return
    grid = patient.case.ct.grid
    for words, dose in doses.items():
        add(scores[words], patient, where_possible(DoseGrid(gray_on(dose, grid), grid), patient))
    errors = ", ".join(f"{scores[words].dose_errors[patient.id]:.2f}" for words in ways)
    print(f"{patient.id}: {errors} Gy", file=sys.stderr, flush=True)


def line(words: str, found: PatientErrors, usual: PatientErrors) -> str:
    scores = " | ".join(f"{score:.2f}" for score in found.scores)
    differences = compare(found, usual)
    less = (f"{differences[name].difference_gy:+.2f}" if words != CHALLENGE else "–" for name in ("dose", "dvh"))
    return f"| {words} | {scores} | {' | '.join(less)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="OpenKBP patients as CSV, with dose")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="ID")
    parser.add_argument("--only", nargs="+", metavar="pt_N", help="these patients")
    parser.add_argument("--limit", type=int, metavar="N", help="patients")
    arguments = parser.parse_args()
    ways = ways_of(arguments.model)
    scores = {words: Scores() for words in ways}
    folders = [one for one in find_patients(arguments.data) if not arguments.only or one.name in arguments.only]
    shown = 0
    for patient in filter(is_shown, map(read_patient, folders[: arguments.limit])):
        score(replace(patient, possible_dose_mask=patient.possible_dose_mask & in_body(patient)), ways, scores)
        shown += 1
    errors = {words: PatientErrors.of(found.to_dict()) for words, found in scores.items()}
    count = len(scores[CHALLENGE].dose_errors)
    print(f"`{arguments.model}`, n = {count}; {shown - count} of {shown} were refused\n")
    print("| patients | dose score | DVH score | dose less the first | DVH less the first |\n|---|---|---|---|---|")
    print("\n".join(line(words, found, errors[CHALLENGE]) for words, found in errors.items()))


if __name__ == "__main__":
    main()
