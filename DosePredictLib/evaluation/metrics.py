"""The grammar of metrics, the only one: goals, report, calibration and command line read metrics by it.

    D95%[Gy]  D0.03cc[Gy]  D98%[%]     least dose of the hottest 95 %, 0.03 cc, ...
    V20Gy[%]  V20Gy[cc]  V95%[%]       volume that receives at least 20 Gy, 95 % of the prescription, ...
    Mean[Gy]  Median  Min  Max  gEUD(8)[Gy]
    HI  Coverage[%]                    ICRU 83 eq. 3.1: (D2% - D98%) / D50%; V100%[%]
    CI(Paddick)  CI(RTOG)  GI  R50     TV_PIV^2 / (TV PIV), PIV / TV, PIV50 / PIV, PIV50 / TV

TV is the volume of the target, PIV that of the prescription isodose in the whole body, PIV50 that of half of it, TV_PIV the part
of the target within the prescription isodose (Paddick 2000, Shaw 1993, Paddick and Lippitz 2006).
A percent of dose is a percent of the prescription of the structure; a percent of volume one of the structure's volume.
Min and Max are those of samples, whose size ``Dvh.sampling_mm`` states.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from ..core import InputError
from .dvh import Dvh

NUMBER = r"(?P<number>\d+(?:\.\d+)?)"
FORMS = {
    "dose": re.compile(rf"D{NUMBER}(?P<at>%|cc)\[(?P<unit>Gy|%)\]"),
    "volume": re.compile(rf"V{NUMBER}(?P<at>Gy|%)\[(?P<unit>%|cc)\]"),
    "statistic": re.compile(r"(?P<at>Mean|Median|Min|Max)\[(?P<unit>Gy|%)\]"),
    "uniform": re.compile(r"(?P<at>gEUD)\((?P<number>-?\d+(?:\.\d+)?)\)\[(?P<unit>Gy|%)\]"),
    "coverage": re.compile(r"(?P<at>Coverage)\[(?P<unit>%)\]"),
    "homogeneity": re.compile(r"(?P<at>HI)(?P<unit>)"),
    "conformity": re.compile(r"(?P<at>CI\(Paddick\)|CI\(RTOG\)|GI|R50)(?P<unit>)"),
}
EXAMPLES = (
    "D95%[Gy], D0.03cc[Gy], V20Gy[%], V95%[cc], Mean[Gy], Median[Gy], Min[Gy], Max[Gy], gEUD(8)[Gy], HI, Coverage[%],"
    " CI(Paddick), CI(RTOG), GI or R50"
)


@dataclass(frozen=True)
class Metric:
    """One metric, parsed once. kind: a key of ``FORMS``. unit: of its value."""

    text: str
    kind: str
    at: str
    unit: str
    number: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Raises InputError for what the grammar does not know."""
        for kind, form in FORMS.items():
            if match := form.fullmatch(text.strip()):
                found = match.groupdict()
                metric = cls(text.strip(), kind, found["at"], found["unit"], float(found.get("number") or 0))
                if metric._is_possible:
                    return metric
        raise InputError(f"The metric '{text}' is not known; write it like {EXAMPLES}.")

    @property
    def _is_possible(self) -> bool:
        if self.kind == "dose" and self.at == "%":
            return self.number <= 100
        return self.kind != "uniform" or self.number != 0

    @property
    def name(self) -> str:
        """Without the unit: ``D95%``."""
        return self.text.partition("[")[0]

    @property
    def is_relative(self) -> bool:
        """Whether its value depends on the prescription of the structure."""
        if self.kind in ("volume", "conformity", "coverage"):
            return self.at != "Gy"
        return self.kind != "homogeneity" and self.unit == "%"

    @property
    def needs_body(self) -> bool:
        """Whether its value depends on the dose outside the structure."""
        return self.kind == "conformity"

    def of(self, dvh: Dvh, *, prescription_gy: float | None = None, body: Dvh | None = None) -> float:
        """The value in ``unit``; NaN where ``refusal`` says why. Raises InputError where a prescription is needed.

        body: the histogram of the whole body, for the indices of conformity.
        """
        if self.is_relative and not prescription_gy:
            raise InputError(f"The metric {self.text} is relative to a prescription, and the structure has none; use Gy instead.")
        if self.refusal(dvh, body=body):
            return math.nan
        prescribed = prescription_gy or math.nan
        if self.kind in ("dose", "statistic", "uniform"):
            gray = self._gray(dvh)
            return gray if self.unit == "Gy" else 100 * gray / prescribed
        if self.kind == "volume":
            gray = self.number if self.at == "Gy" else self.number * prescribed / 100
            return dvh.percent_above(gray) if self.unit == "%" else dvh.cc_above(gray)
        if self.kind == "coverage":
            return dvh.percent_above(prescribed)
        return self._conformity(dvh, body, prescribed) if self.needs_body and body else dvh.homogeneity_index

    def refusal(self, dvh: Dvh, *, body: Dvh | None = None) -> str:
        """Why there is no value, in words for a table; empty where there is one."""
        if dvh.refusal:
            return dvh.refusal
        if self.needs_body and body is None:
            return "no contour of the whole body"
        if self.kind == "dose" and self.at == "cc" and not self.number <= dvh.volume_cc:
            return f"the structure has only {dvh.volume_cc:.2g} cc"
        return ""

    def sampling_interval(
        self, dvh: Dvh, *, prescription_gy: float | None = None, body: Dvh | None = None
    ) -> tuple[float, float] | None:
        """Lowest and highest value as a small structure is moved by half a voxel; None for a structure that is not small."""
        if not dvh.shifted:
            return None
        values = [self.of(moved, prescription_gy=prescription_gy, body=body) for moved in (dvh, *dvh.shifted)]
        return float(np.min(values)), float(np.max(values))

    def _gray(self, dvh: Dvh) -> float:
        if self.kind == "uniform":
            return dvh.equivalent_uniform_dose(self.number)
        if self.kind == "dose":
            return dvh.dose_to_percent(self.number) if self.at == "%" else dvh.dose_to_cc(self.number)
        if self.at == "Median":
            return dvh.dose_to_percent(50)
        return {"Mean": dvh.mean_gy, "Min": dvh.min_gy, "Max": dvh.max_gy}[self.at]

    def _conformity(self, target: Dvh, body: Dvh, prescribed: float) -> float:
        isodose, half = body.covered_cc_above(prescribed), body.covered_cc_above(prescribed / 2)
        over, under = {
            "CI(Paddick)": (target.cc_above(prescribed) ** 2, target.volume_cc * isodose),
            "CI(RTOG)": (isodose, target.volume_cc),
            "GI": (half, isodose),
            "R50": (half, target.volume_cc),
        }[self.at]
        return over / under if under > 0 else math.nan
