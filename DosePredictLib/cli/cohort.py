"""One case after another, for calibrate and commission: found, predicted and measured; what was measured is not done again."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import DosePredictError, InputError
from ..model_card import default_samples, fingerprint
from .options import add_model, existing, positive

if TYPE_CHECKING:
    from ..core import Case, DoseGrid, Volume
    from ..evaluation.cohort import CaseResult
    from ..inference.predictor import Predictor

FORMAT = 1  # raise it whenever the same case would be measured otherwise


@dataclass(frozen=True)
class Outcome:
    """One case: its number among those asked for, from 1 on, and its result, or the sentence that says why there is none."""

    number: int
    folder: Path
    result: CaseResult | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """Free of identifiers."""
        return f"case {self.number}"

    @property
    def nameless_reason(self) -> str:
        """Without the names of files and folders, which may be those of patients."""
        names = sorted({self.folder.name, *(path.name for path in self.folder.rglob("*"))}, key=len, reverse=True)
        reason = self.reason
        for name in names:
            reason = reason.replace(name, "…")
        return reason


@dataclass(frozen=True, eq=False)
class Cohort:
    """How every case is predicted. keep: folder for one file a measured case; it names no patient."""

    predictor: Predictor
    steps: int
    samples: int
    seed: int
    outside_domain: bool
    keep: Path

    def outcomes(self, folders: Sequence[Path]) -> Iterator[Outcome]:
        """In the order of ``folders``; a case that cannot be used has a reason instead of a result."""
        self.keep.mkdir(parents=True, exist_ok=True)
        for number, folder in enumerate(folders, 1):
            try:
                yield Outcome(number, folder, self._result(folder))
            except (DosePredictError, OSError) as error:
                yield Outcome(number, folder, reason=str(error) if isinstance(error, DosePredictError) else "it cannot be read")

    def _result(self, folder: Path) -> CaseResult:
        from ..evaluation.cohort import CaseResult

        kept = self.keep / f"{self._key(folder)}.json"
        try:
            return CaseResult.from_dict(json.loads(kept.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            result = self._measured(folder)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(result.to_dict()), encoding="utf-8")
        part.replace(kept)
        return result

    def _key(self, folder: Path) -> str:
        """Of the model, the way it is used, and the case's files by name, size and time."""
        request = [FORMAT, fingerprint(self.predictor.card), self.steps, self.samples, self.seed]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        facts = [(path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.sha256(json.dumps([request, facts]).encode()).hexdigest()[:32]

    def _measured(self, folder: Path) -> CaseResult:
        from ..evaluation.cohort import measure
        from ..inference.domain import check_domain

        case, occupancies, options = _read(folder)
        if case.reference is None:
            raise InputError("it has no planned dose to compare with")
        domain = check_domain(case, self.predictor.card, occupancies)
        if domain.verdict == "outside" and not self.outside_domain:
            raise InputError(f"it is outside what the model was trained on ({'; '.join(domain.reasons)})")
        started = time.monotonic()
        prediction = self.predictor.predict(case, steps=self.steps, samples=self.samples, seed=self.seed, **options)
        seconds = time.monotonic() - started
        dose = _beside_the_plan(prediction.dose, case, folder)
        return measure(case, dose, occupancies, domain=domain.verdict, seconds=seconds)


def add_cohort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "cases", nargs="+", type=Path, metavar="CASES", help="folders, each with one patient and planned dose, or folders of such"
    )
    add_model(parser)
    parser.add_argument("--steps", type=positive, metavar="N", help="sampling steps (the model's own number)")
    parser.add_argument("--samples", type=positive, metavar="N", help="predictions of each case (the model's own number)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same dose (0)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute (auto)")
    parser.add_argument("--outside-domain", action="store_true", help="use cases that the model was not made for too")


def cohort_of(options: argparse.Namespace, keep: Path) -> Cohort:
    """Raises ModelError where the model cannot be used."""
    from ..inference.predictor import Predictor

    predictor = Predictor.load(options.model, options.device)
    steps = options.steps or predictor.default_steps
    samples = options.samples or default_samples(predictor.card)
    return Cohort(predictor, steps, samples, options.seed, options.outside_domain, keep)


def case_folders(paths: Sequence[Path]) -> list[Path]:
    """Each folder that holds files is a case; of one that holds only folders, each of these. Raises InputError for none."""
    found = [folder for path in paths for folder in _cases_in(Path(existing(path)))]
    if not found:
        raise InputError(f"No case was found in {', '.join(path.name for path in paths)}; give folders with DICOM files.")
    return list(dict.fromkeys(found))


def _cases_in(path: Path) -> list[Path]:
    from ..io.openkbp import patient_number

    inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")] if path.is_dir() else []
    if not inside or any(entry.is_file() for entry in inside):
        return [path] if inside else []
    return sorted(inside, key=lambda entry: (patient_number(entry), entry.name))


def worked_through(cohort: Cohort, folders: Sequence[Path]) -> list[Outcome]:
    """All outcomes, each shown as it comes: on stdout what was measured, on stderr what is skipped."""
    outcomes = []
    for outcome in cohort.outcomes(folders):
        outcomes.append(outcome)
        place = f"{outcome.number:4d}/{len(folders)}  {outcome.folder.name}"
        if outcome.result is None:
            print(
                f"dosepredict: {outcome.label} ({outcome.folder.name}) is skipped: {outcome.reason.rstrip('.')}.", file=sys.stderr
            )
        else:
            print(f"{place}: {outcome.result.dose_error_gy:.2f} Gy, {outcome.result.seconds:.1f} s", flush=True)
    return outcomes


def _read(folder: Path) -> tuple[Case, dict[str, Volume], dict[str, Any]]:
    """The case, its structures' occupancies by ROI, and what the predictor must know of how it was given."""
    from ..io.case import load_case
    from ..preprocessing.rasters import rasterise_all

    if _is_openkbp(folder):
        from ..io.openkbp import read_patient

        case = read_patient(folder).case
        return case, rasterise_all(case.structures, case.ct.grid).occupancies, {"grid": case.ct.grid, "trust_air": True}
    case = load_case([folder]).case
    return case, rasterise_all(case.structures, case.ct.grid).occupancies, {}


def _beside_the_plan(dose: DoseGrid, case: Case, folder: Path) -> DoseGrid:
    """On the planned dose's grid, inside the body; for OpenKBP inside its possible_dose_mask, as the challenge scores it."""
    from ..core import DoseGrid
    from ..inference.export import exported

    assert case.reference is not None
    if _is_openkbp(folder):
        from ..io.openkbp import read_mask

        possible = read_mask(folder / "possible_dose_mask.csv")
        return dose if possible is None else DoseGrid(dose.gray * possible, dose.grid)
    return exported(dose, case, case.reference.grid)


def _is_openkbp(folder: Path) -> bool:
    return (folder / "voxel_dimensions.csv").exists()
