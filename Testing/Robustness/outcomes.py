"""What became of one damaged case: the same was read, something else was read, it was refused, or the program is at fault."""

from __future__ import annotations

import hashlib
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictLib.core.errors import DosePredictError
from DosePredictLib.io.case import DicomCase, load_case
from DosePredictLib.io.inspect import inspect
from DosePredictLib.io.inspection_text import format_inspection

TIME_LIMIT_S = 10
LONGEST_SENTENCE = 600
SAME, DIFFERENT, REFUSED, FAULT = "same", "different", "refused", "FAULT"


@dataclass(frozen=True)
class Outcome:
    """kind: one of the four above. details: what differs, the sentence of refusal, or what the fault is."""

    kind: str
    details: str = ""


class TookTooLong(BaseException):
    """Not an Exception, so that no handler of the library can take it for a damaged file."""


def outcome_of(read: Callable[[], Any], judge: Callable[[Any], Outcome], folder: Path) -> Outcome:
    """Read within the time limit, and judge what was read."""
    try:
        with time_limit(TIME_LIMIT_S):
            result = read()
    except DosePredictError as error:
        return _judged_sentence(str(error), folder)
    except (Exception, TookTooLong) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(FAULT, f"{type(error).__name__}: {error} at {Path(place.filename).name}:{place.lineno}")
    return judge(result)


def loaded(folder: Path, prescription: Mapping[str, float], original: Mapping[str, str]) -> Outcome:
    """Load the case and compare it with the prints of the undamaged one."""

    def compare(found: DicomCase) -> Outcome:
        now = prints(found)
        differing = [key for key in original if now[key] != original[key]]
        return Outcome(DIFFERENT if differing else SAME, ", ".join(differing))

    return outcome_of(lambda: load_case(folder, prescription=prescription or None), compare, folder)


def inspected(folder: Path, prescription: Mapping[str, float]) -> Outcome:
    """Inspect the case; it never refuses."""

    def judge(found: dict[str, Any]) -> Outcome:
        for sentence in found["refusals"]:
            if (judged := _judged_sentence(sentence, folder)).kind == FAULT:
                return judged
        return Outcome(SAME if format_inspection(found) else FAULT)

    found = outcome_of(lambda: inspect(folder, prescription=prescription or None), judge, folder)
    return Outcome(FAULT, f"inspect refused: {found.details}") if found.kind == REFUSED else found


def prints(found: DicomCase) -> dict[str, str]:
    """Fingerprints of what matters, and the warnings."""
    case = found.case
    return {
        "CT grid": repr(case.ct.grid),
        "CT values": _digest(case.ct.array),
        "contours": _digest(*(c for s in case.structures for c in s.contours)),
        "names": repr(sorted(case.names.items())),
        "prescription": repr([(t.roi, t.dose_gy) for t in case.prescription.targets]),
        "dose": _digest(case.reference.gray) + repr(case.reference.grid) if case.reference else "none",
        "warnings": repr(found.warnings),
    }


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def end(*_: object) -> None:
        raise TookTooLong(f"not ended after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _judged_sentence(sentence: str, folder: Path) -> Outcome:
    """One sentence, not endless, without the path of the patient's folder."""
    if not sentence or "\n" in sentence or len(sentence) > LONGEST_SENTENCE or str(folder) in sentence:
        return Outcome(FAULT, f"not one sentence, or with a path: {sentence[:LONGEST_SENTENCE]!r}")
    return Outcome(REFUSED, sentence)


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()
