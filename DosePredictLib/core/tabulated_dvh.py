"""A dose-volume histogram as another program has tabulated it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InputError


@dataclass(frozen=True, eq=False)
class TabulatedDvh:
    """The cumulative dose-volume histogram of one structure, as a table made elsewhere.

    name: of the ROI. dose_gy: (n,) ascending. percent: (n,) of the volume that receives at least that dose, from 100 at zero
    dose down. total_cc: the structure's volume, None where the table does not state it. source: what kind of file it is from.
    Raises InputError for a table that is no such curve.
    """

    name: str
    dose_gy: np.ndarray
    percent: np.ndarray
    total_cc: float | None
    source: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        dose, percent = self.dose_gy, self.percent
        if dose.ndim != 1 or dose.shape != percent.shape or len(dose) < 2:
            raise InputError(f"The DVH of {self.name} in the {self.source} has fewer than two points; export it again.")
        if not np.isfinite([dose, percent]).all() or dose[0] < 0 or (np.diff(dose) <= 0).any():
            raise InputError(f"The doses of the DVH of {self.name} in the {self.source} do not rise from 0; export it again.")
        if (np.diff(percent) > 0).any() or not 99 <= percent[0] <= 100:
            raise InputError(
                f"The DVH of {self.name} in the {self.source} does not fall from 100 %; export it as a cumulative histogram."
            )

    @classmethod
    def cumulative(
        cls,
        name: str,
        dose_gy: np.ndarray,
        volume: np.ndarray,
        *,
        total_cc: float | None,
        source: str,
        notes: tuple[str, ...] = (),
    ) -> TabulatedDvh:
        """From volumes in any one unit, of which the first is the whole; rounding below zero and upwards is mended."""
        whole = float(volume[0]) if len(volume) else 0.0
        if not whole > 0:
            raise InputError(f"The DVH of {name} in the {source} has no volume; leave that structure out of the export.")
        falling = np.minimum.accumulate(np.clip(volume, 0, None))
        length = min(len(falling), int(np.argmin(falling)) + 1)  # one point of zero volume ends the curve
        return cls(name, dose_gy[:length], 100 * falling[:length] / whole, total_cc, source, notes)
