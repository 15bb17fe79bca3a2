"""What a set of weights needs to be used correctly; it travels inside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .errors import ModelError
from .structures import OARS, TARGET_SLOTS


@dataclass(frozen=True)
class Recipe:
    """Everything inference must know beyond the case itself.

    model: id of the architecture, and its arguments in ``network``.
    spacing_mm: grid of the network (i, j, k); None in the first two means the case's own in-plane spacing.
    margin_mm: slices kept above and below the targets; no dose is predicted beyond them.
    pad_multiple: of the sides of a slice, and of the number of slices where the network is volumetric (three-dimensional).
    structures: OAR distance-map channels in their order, after the targets PTV_High, PTV_Mid, PTV_Low.
    missing_distance_mm: constant that stands in for a missing structure, "far outside", never 0 ("on the surface").
    voxel_distances: whether distances are counted in voxels, and unit, clip and missing distance with them (DoseDiff's MSDM).
    planning: {"angles_deg": [...], "plans": [{...}, ...]}: doses of simple fields as further channels (preprocessing.planning);
    with "beyond_mm", also that far beside what the CT shows: OpenKBP's dose reaches over the edge of some CTs.
    dose_range: dose / highest prescription that maps to [-1, 1]; ct_range_hu likewise.
    """

    model: str
    network: dict[str, Any] = field(default_factory=dict)
    spacing_mm: tuple[float, float, float] = (3.90625, 3.90625, 2.5)
    margin_mm: float = 30.0
    pad_multiple: int = 16
    volumetric: bool = False
    ct_range_hu: tuple[float, float] = (-1000.0, 1500.0)
    dose_range: tuple[float, float] = (0.0, 1.15)
    structures: tuple[str, ...] = OARS
    required_structures: tuple[str, ...] = ()
    distance_unit_mm: float = 100.0  # the paper's decimetre
    distance_clip_mm: float = 200.0
    missing_distance_mm: float = -200.0
    voxel_distances: bool = False
    planning: dict[str, Any] = field(default_factory=dict)
    diffusion: dict[str, Any] = field(default_factory=lambda: {"timesteps": 1000, "beta": [1e-4, 0.02], "output": "epsilon"})
    steps: int = 8

    @property
    def answers_at_once(self) -> bool:
        """Whether one evaluation of the network gives the dose of a whole patient, not one draw of it."""
        return self.volumetric and self.model != "addiff_dose"

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the conditioning channels, in the order of the arrays; ``network["given"]`` where it names them itself."""
        if "given" in self.network:
            return tuple(self.network["given"])
        maps = (f"SDM:{name}" for name in (*TARGET_SLOTS, *self.structures))
        return ("CT", "Prescription", *maps, *self.planned)

    @property
    def planned(self) -> tuple[str, ...]:
        """Names of the channels that ``planning`` adds: the open fields, then each plan."""
        if not self.planning:
            return ()
        return ("Fields", *(f"Plan {number}" for number, _ in enumerate(self.planning["plans"], start=1)))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Raises ModelError for keys this version does not know: better no dose than one made differently."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown or "model" not in values:
            raise ModelError(f"The weights' recipe cannot be read: unknown or missing keys {sorted(unknown) or ['model']}.")
        given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**given)
