"""Is this case of the kind the model was trained on? Its descriptors against their distribution in training, in plain words.

A model's card holds, for each descriptor, its value at ``QUANTILES`` over the training cases; old cards hold the lowest and the
highest only. Green: all within. Amber: one lies beyond every training case. Red: one lies so far beyond that a dose would mean
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import OARS, Case, Volume
from . import descriptors as d

QUANTILES = (0.0, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 100.0)  # percent of the training cases
COLOURS = {"inside": "green", "unusual": "amber", "outside": "red", "unknown": "grey"}
NOTABLE = 3  # descriptors that are always named
NEVER = float("inf")


@dataclass(frozen=True)
class Limit:
    """How far beyond the training cases a value may lie: up to ``tolerated`` it counts as inside, beyond ``far`` as outside.

    relative: as a share of the nearest training value; else in the descriptor's unit. side: the end that matters, or both.
    """

    tolerated: float
    far: float
    relative: bool = False
    side: str = "both"


AS_SHARE = Limit(tolerated=0.01, far=0.5, relative=True)  # 1 % is the rounding of the card
LIMITS = {
    d.PRESCRIPTION: Limit(0.15, 0.15, relative=True),  # the network sees shares of the prescription
    d.LEVELS: Limit(0, NEVER),
    d.LOWEST_SHARE: AS_SHARE,
    d.ORGANS: Limit(0, 0.5, relative=True, side="low"),
    d.HIGH_VOLUME: AS_SHARE,
    d.ALL_VOLUME: AS_SHARE,
    d.LENGTH: AS_SHARE,
    d.OVERLAP: Limit(1, NEVER),
    d.SECTION: AS_SHARE,
    d.TARGET_HU: Limit(5, 200),
    d.BODY_HU: Limit(5, 300),
    d.AIR: Limit(1, NEVER),
    d.METAL: Limit(0.5, NEVER, side="high"),
    d.ABOVE: Limit(1, NEVER, side="low"),
    d.BELOW: Limit(1, NEVER, side="low"),
    d.CUT: Limit(1, NEVER, side="high"),
    d.SPACING: Limit(0.01, 1.0, relative=True, side="high"),
}


@dataclass(frozen=True)
class Finding:
    """One descriptor of a case. rarity: percent of the training cases at least as far from the middle. words: a sentence."""

    descriptor: str
    value: float
    verdict: str
    rarity: float
    words: str


@dataclass(frozen=True)
class Domain:
    """verdict: "inside", "unusual" (beyond all training cases), "outside" (far beyond) or "unknown" (the card says nothing).

    findings: one a descriptor, the most unusual first.
    """

    verdict: str
    findings: tuple[Finding, ...] = ()

    @property
    def colour(self) -> str:
        return COLOURS[self.verdict]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What lies beyond the training cases, in words."""
        return tuple(finding.words for finding in self.findings if finding.verdict != "inside")

    @property
    def notable(self) -> tuple[str, ...]:
        """The most unusual descriptors in words, also of a case that is inside."""
        return tuple(finding.words for finding in self.findings[:NOTABLE])

    def to_dict(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "colour": self.colour, "most_unusual": list(self.notable)}


def check_domain(case: Case, card: Mapping[str, Any], occupancies: Mapping[str, Volume] | None = None) -> Domain:
    """Compare a case with ``card["domain"]``. occupancies: by ROI on the CT's voxels, where they are known already."""
    trained = card.get("domain") or {}
    if not trained:
        return Domain("unknown")
    organs = card.get("organs", OARS)
    values = d.descriptors(case, organs, d.occupancies_of(case, organs) if occupancies is None else occupancies)
    training = card.get("training", {})
    cases = training.get("cases", 0) - training.get("without_ct", 0)  # those without a CT are not described
    found = [_finding(name, values[name], trained[name], cases) for name in LIMITS if name in trained]
    order = list(COLOURS)
    worst = max((finding.verdict for finding in found), key=order.index, default="unknown")
    return Domain(worst, tuple(sorted(found, key=lambda f: (-order.index(f.verdict), f.rarity))))


def distribution(cases: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Each descriptor's value at ``QUANTILES`` over the training cases: what a card keeps."""
    return {name: [_rounded(v) for v in np.percentile([c[name] for c in cases], QUANTILES)] for name in cases[0]}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _finding(name: str, value: float, trained: Sequence[float], cases: int) -> Finding:
    limit, low, high = LIMITS[name], trained[0], trained[-1]
    below, above = low - value, value - high
    if limit.relative:
        below, above = below / (abs(low) or 1), above / (abs(high) or 1)
    beyond = {"low": below, "high": above, "both": max(below, above)}[limit.side]
    verdict = "outside" if beyond > limit.far else "unusual" if beyond > limit.tolerated else "inside"
    few, many = _tails(value, trained)
    rarity = {"low": few, "high": many, "both": min(few, many)}[limit.side]
    return Finding(name, value, verdict, rarity, _words(name, value, trained, few, many, cases))


def _tails(value: float, trained: Sequence[float]) -> tuple[float, float]:
    """Percent of the training cases at or below ``value``, and at or above; several quantiles may be equal."""
    if len(trained) != len(QUANTILES):  # an old card: lowest and highest only
        return (0.0 if value < trained[0] else 100.0), (0.0 if value > trained[-1] else 100.0)
    known, levels = np.array(trained), np.array(QUANTILES)
    at_most = np.interp(value, known, levels, left=0)
    at_least = np.interp(-value, -known[::-1], 100 - levels[::-1], left=0)
    return float(at_most), float(at_least)


def _words(name: str, value: float, trained: Sequence[float], few: float, many: float, cases: int) -> str:
    """ "length of the targets 412 mm, more than in any of the 169 training patients (45 to 302 mm)"."""
    what, _, unit = name.rstrip(")").partition(" (")
    low, high, share = trained[0], trained[-1], min(99.0, 100 - min(few, many))
    patients = f"the {cases} training patients" if cases else "the training patients"
    how = "less" if few < many else "more"
    if value < low or value > high:
        place = f"{how} than in any of {patients}"
    else:
        place = f"{how} than in {share:.0f} % of {patients}" if share >= 50 else f"as in many of {patients}"
    return f"{what} {_number(value)} {unit}".rstrip() + f", {place} ({_number(low)} to {_number(high)} {unit}".rstrip() + ")"


def _number(value: float) -> str:
    """Three digits, and never an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else "0"
