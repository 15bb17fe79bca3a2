"""What dose which target is meant to receive."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InputError

LOWEST_GY, HIGHEST_GY = 10.0, 100.0
MID_RATIO, HIGH_RATIO = 0.85, 0.95  # halfway between the levels 56 : 63 : 70 Gy the models were trained on


@dataclass(frozen=True)
class Target:
    """A target volume by the name of its ROI, and its prescription in Gy for the whole course."""

    roi: str
    dose_gy: float
    source: str = ""  # where the number comes from, in words: "RTPLAN", "ROI name", "user"


@dataclass(frozen=True)
class Prescription:
    """The targets of a plan, highest prescription first.

    Raises InputError for an empty prescription or one outside 10-100 Gy.
    """

    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        if not self.targets:
            raise InputError("No prescription was found; give one for each target, e.g. --prescription PTV70=70.")
        for target in self.targets:
            if not LOWEST_GY <= target.dose_gy <= HIGHEST_GY:
                raise InputError(
                    f"The prescription of {target.roi} is {target.dose_gy:g} Gy, outside {LOWEST_GY:g}-{HIGHEST_GY:g} Gy;"
                    " check that it is the whole course in Gy, not one fraction or cGy."
                )
        ordered = sorted(self.targets, key=lambda t: -t.dose_gy)
        object.__setattr__(self, "targets", tuple(ordered))

    @property
    def highest_gy(self) -> float:
        return self.targets[0].dose_gy

    def slots(self) -> dict[str, tuple[Target, ...]]:
        """Targets by the slot of the network they fill: by their share of the highest prescription."""
        slots: dict[str, tuple[Target, ...]] = {}
        for target in self.targets:
            slot = slot_of(target.dose_gy / self.highest_gy)
            slots[slot] = (*slots.get(slot, ()), target)
        return slots


def slot_of(ratio: float) -> str:
    """PTV_High, PTV_Mid or PTV_Low for a prescription as a share of the highest."""
    if ratio >= HIGH_RATIO:
        return "PTV_High"
    return "PTV_Mid" if ratio >= MID_RATIO else "PTV_Low"
