"""Options that several commands share, and what is wrong with them in words."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError
from ..registry import DEFAULT_MODEL

MAP_EXAMPLE = '{"Parotid_L": "left parotid"}'


def add_case(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", nargs="+", type=Path, metavar="CASE", help="a folder with the patient's DICOM files, or files")


def add_choose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--choose",
        nargs="+",
        action="extend",
        default=[],
        metavar="KIND=WHICH",
        help="of several CT, RTSTRUCT, RTPLAN or RTDOSE take this one: a file name or the end of a UID, or none",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="ID", help=f"see 'dosepredict models' ({DEFAULT_MODEL})")


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--anonymise", action="store_true", help="no name, ID, date, UID or file name in the report")
    parser.add_argument("--pdf", action="store_true", help="the report also as PDF")


def add_benchmark(parser: argparse.ArgumentParser, *, data: str, model: str) -> None:
    """data: what --data is; model: the default."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=data)
    parser.add_argument("--model", default=model, metavar="ID", help=f"see 'dosepredict models' ({model})")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N patients")
    parser.add_argument("--steps", type=positive, metavar="N", help="sampling steps (the model's own number)")
    parser.add_argument("--samples", type=positive, default=1, metavar="N", help="samples whose mean is scored (1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same doses (0)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="where to compute (auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores and their parts here")


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def voxel_size_or_name(text: str) -> str:
    """ "ct", "dose" or a voxel size between 0.5 and 10 mm."""
    try:
        suits = text in ("ct", "dose") or 0.5 <= float(text) <= 10
    except ValueError:
        suits = False
    if not suits:
        raise argparse.ArgumentTypeError(f"{text} is neither ct nor dose nor a voxel size between 0.5 and 10 mm")
    return text


def existing(path: Path) -> str:
    """The absolute path; raises InputError where there is nothing."""
    if not path.exists():
        raise InputError(f"There is no file or folder named {path.name}; check the path.")
    return str(path.absolute())


def prescriptions(words: Sequence[str]) -> dict[str, float]:
    """{"PTV70": 70.0} of ["PTV70=70"]; raises InputError for anything else."""
    found = {}
    for word in words:
        roi, _, dose = word.rpartition("=")
        try:
            found[roi.strip()] = float(dose)
        except ValueError:
            roi = ""
        if not roi:
            raise InputError(f"The prescription {word} cannot be read; write the ROI's name and its dose in Gy, e.g. PTV70=70.")
    return found


def choices(words: Sequence[str]) -> dict[str, str]:
    """{"RTPLAN": "RP2.dcm"} of ["RTPLAN=RP2.dcm"]; raises InputError for anything else."""
    pairs = [word.partition("=") for word in words]
    if bad := next((word for word, (kind, _, which) in zip(words, pairs, strict=True) if not kind or not which), None):
        raise InputError(f"The choice {bad} cannot be read; write the kind and which one of it, e.g. RTPLAN=RP2.dcm.")
    return {kind: which for kind, _, which in pairs}


def structure_names(path: Path | None) -> dict[str, str]:
    """The content of a MAP.json: the model's structure name -> ROI name; raises InputError for anything else."""
    if path is None:
        return {}
    try:
        names = json.loads(Path(existing(path)).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path.name} is not a JSON file; it must look like this: {MAP_EXAMPLE}.") from error
    if not isinstance(names, dict) or not all(isinstance(roi, str) for roi in names.values()):
        raise InputError(f"{path.name} does not map names to names; it must look like this: {MAP_EXAMPLE}.")
    return names
