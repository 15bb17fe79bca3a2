"""The grammar of metrics: ``D95%[Gy]``, ``D0.03cc[Gy]``, ``V20Gy[%]``, ``V95%[cc]``, ``Mean[Gy]``, ``Max[Gy]``, ``HI``.

A percent of dose is a percent of the prescription of the structure; a percent of volume one of the structure's volume.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core import InputError
from .dvh import Dvh

NUMBER = r"(?P<number>\d+(?:\.\d+)?)"
FORMS = {
    "dose": re.compile(rf"D{NUMBER}(?P<at>%|cc)\[(?P<unit>Gy|%)\]"),
    "volume": re.compile(rf"V{NUMBER}(?P<at>Gy|%)\[(?P<unit>%|cc)\]"),
    "statistic": re.compile(r"(?P<at>Mean|Median|Min|Max)\[(?P<unit>Gy|%)\]"),
    "index": re.compile(r"(?P<at>HI)(?P<unit>)"),
}
EXAMPLES = "D95%[Gy], D0.03cc[Gy], V20Gy[%], Mean[Gy] or Max[Gy]"


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
                return cls(text.strip(), kind, found["at"], found["unit"], float(found.get("number") or 0))
        raise InputError(f"The metric '{text}' is not known; write it like {EXAMPLES}.")

    @property
    def name(self) -> str:
        """Without the unit: ``D95%``."""
        return self.text.partition("[")[0]

    @property
    def is_relative(self) -> bool:
        """Whether its value depends on the prescription of the structure."""
        return (self.kind == "volume" and self.at == "%") or (self.kind in ("dose", "statistic") and self.unit == "%")

    def of(self, dvh: Dvh, *, prescription_gy: float | None = None) -> float:
        """The value in ``unit``; NaN where the histogram refuses it. Raises InputError where a prescription is needed."""
        if self.is_relative and not prescription_gy:
            raise InputError(f"The metric {self.text} is relative to a prescription, and the structure has none; use Gy instead.")
        if self.kind == "index":
            return dvh.homogeneity_index
        if self.kind == "volume":
            gray = self.number * (prescription_gy or 0) / 100 if self.at == "%" else self.number
            return dvh.percent_above(gray) if self.unit == "%" else dvh.cc_above(gray)
        gray = self._gray(dvh)
        return 100 * gray / prescription_gy if self.unit == "%" and prescription_gy else gray

    def _gray(self, dvh: Dvh) -> float:
        if self.kind == "dose":
            return dvh.dose_to_percent(self.number) if self.at == "%" else dvh.dose_to_cc(self.number)
        if self.at == "Median":
            return dvh.dose_to_percent(50)
        return {"Mean": dvh.mean_gy, "Min": dvh.min_gy, "Max": dvh.max_gy}[self.at]
