"""How a model errs at one site: mean and spread of each metric's error over its own plans, and what follows for a new case.

A metric's planned value is expected at its predicted value minus the mean error, within the 90 % interval of one more error
from the normal distribution the known ones were drawn from (Student's t; Covele et al. 2021 build such bands for RapidPlan).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError
from ..model_card import fingerprint
from .cohort import METRICS, CaseResult
from .uncertainty import PERCENT, Interval, half_width

LEAST_CASES = 20
LEAST_VALUES = 10  # of one metric; a rarer structure gets no interval
SCHEMA = "dosepredict.calibration/2"  # 2: of a fingerprint, not of weights alone


@dataclass(frozen=True)
class MetricError:
    """Predicted - planned of one metric over ``n`` cases, in Gy; half: half the width of the 90 % interval of one more."""

    structure: str
    column: str
    n: int
    mean: float
    spread: float
    half: float

    def expected(self, predicted: float) -> Interval:
        """Where the planned value is expected; never below 0."""
        centre = predicted - self.mean
        return Interval(centre, max(0.0, centre - self.half), max(0.0, centre + self.half))

    @property
    def words(self) -> str:
        """ "Parotid_L Mean is predicted 1.2 Gy too low on average, 90 % of the differences within -4.0 to +1.6 Gy (n = 24)"."""
        side = "low" if self.mean < 0 else "high"
        bias = f"{abs(self.mean):.1f} Gy too {side} on average" if abs(self.mean) >= 0.05 else "right on average"
        within = f"{PERCENT} % of the differences within {self.mean - self.half:+.1f} to {self.mean + self.half:+.1f} Gy"
        return f"{self.structure} {METRICS[self.column]} is predicted {bias}, {within} (n = {self.n})"


@dataclass(frozen=True)
class Calibration:
    """Of the model with this ``fingerprint``, sampled with this number of steps and samples."""

    model: str
    fingerprint: str
    steps: int
    samples: int
    cases: int
    errors: tuple[MetricError, ...]

    def of(self, structure: str) -> dict[str, MetricError]:
        """The errors of one structure by column; empty where it is not known."""
        return {error.column: error for error in self.errors if error.structure == structure}

    def fits(self, model: Mapping[str, Any], *, steps: int, samples: int) -> bool:
        """Whether it was made with this very model, used in the same way."""
        return (self.fingerprint, self.steps, self.samples) == (fingerprint(model), steps, samples)

    def sentences(self, structures: Iterable[str], *, columns: Sequence[str] = ("dmean_gy",)) -> list[str]:
        """What is known of these structures, in words."""
        known = [self.of(name) for name in structures]
        return [f"At your site {errors[column].words}." for errors in known for column in columns if column in errors]


def calibrate(results: Sequence[CaseResult], card: Mapping[str, Any], *, steps: int, samples: int) -> Calibration:
    """From at least ``LEAST_CASES`` cases. Raises InputError for fewer."""
    check_enough(len(results))
    found: dict[tuple[str, str], list[float]] = {}
    for pair in (pair for result in results for pair in result.pairs):
        found.setdefault((pair.structure, pair.column), []).append(pair.error)
    errors = tuple(_metric_error(*key, np.array(values)) for key, values in found.items() if len(values) >= LEAST_VALUES)
    return Calibration(str(card["id"]), fingerprint(card), steps, samples, len(results), errors)


def check_enough(cases: int) -> None:
    """Raises InputError where these are too few cases to calibrate with."""
    if cases < LEAST_CASES:
        raise InputError(
            f"A local calibration needs {LEAST_CASES} or more of your own plans, and here are {cases} that can be used;"
            " add cases."
        )


def _metric_error(structure: str, column: str, values: np.ndarray) -> MetricError:
    spread = float(np.std(values, ddof=1))
    return MetricError(structure, column, len(values), float(values.mean()), spread, float(half_width(values)))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """As JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps({"schema": SCHEMA, **asdict(calibration)}, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def read_calibration(path: Path) -> Calibration:
    """Raises InputError for anything but a file of ``write_calibration``."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        errors = tuple(MetricError(**error) for error in stored["errors"])
        values = {field.name: stored[field.name] for field in fields(Calibration)}
        if stored["schema"] != SCHEMA or not all(error.column in METRICS for error in errors):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The local calibration {path.name} cannot be read; make it again with 'dosepredict calibrate'."
        ) from error
    return Calibration(**{**values, "errors": errors})
