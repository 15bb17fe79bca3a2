"""Numbers that say what kind of case this is, each by a name a physicist reads: "length of the targets (mm)"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..core import BODY, Case, Grid, InputError, StructureSet, Volume
from ..preprocessing.body import body_mask
from ..preprocessing.rasters import rasterise_all

PRESCRIPTION = "highest prescription (Gy)"
LEVELS = "levels of prescription"
LOWEST_SHARE = "lowest prescription as a share of the highest"
ORGANS = "organs of the model found"
HIGH_VOLUME = "volume of the target of highest dose (cc)"
ALL_VOLUME = "volume of all targets (cc)"
LENGTH = "length of the targets (mm)"
OVERLAP = "share of the organs inside the targets (%)"
SECTION = "cross-section of the body at the targets (cm²)"
TARGET_HU = "median CT number in the targets (HU)"
BODY_HU = "mean CT number of the body (HU)"
AIR = "air in the body (%)"
METAL = "metal in the body (cc)"
ABOVE = "scan above the targets (mm)"
BELOW = "scan below the targets (mm)"
CUT = "slices where the body is cut off by the scan (%)"
SPACING = "slice spacing (mm)"

AIR_HU, METAL_HU = -400.0, 2000.0
COARSE_MM = 3.0  # in plane, enough for what is said of the whole body


@dataclass(frozen=True, eq=False)
class _Body:
    """The patient on every n-th row and column of the CT, in the slices of the targets; ``whole`` in all slices."""

    whole: np.ndarray
    mask: np.ndarray
    hu: np.ndarray
    pixel_cm2: float
    slice_mm: float


def occupancies_of(case: Case, organs: Iterable[str]) -> dict[str, Volume]:
    """Occupancy on the CT's voxels, by ROI, of the targets, the body and the organs of these names, where they have any."""
    wanted = {target.roi for target in case.prescription.targets} | {case.names.get(name) for name in (*organs, BODY)}
    chosen = StructureSet(tuple(structure for structure in case.structures if structure.name in wanted))
    return rasterise_all(chosen, case.ct.grid).occupancies


def descriptors(case: Case, organs: Iterable[str], occupancies: Mapping[str, Volume]) -> dict[str, float]:
    """By name. occupancies: by ROI, on the CT's voxels or a part of them. Raises InputError where no target fills a voxel."""
    organs = [name for name in organs if case.names.get(name) in occupancies]
    grid, highest = case.ct.grid, case.prescription.highest_gy
    targets = _mask([occupancies[t.roi] for t in case.prescription.targets if t.roi in occupancies], grid)
    slices = np.flatnonzero(targets.any(axis=(1, 2)))
    if not len(slices):
        raise InputError("No target fills a voxel of the CT; check that the targets are contoured on this CT.")
    first, last = int(slices[0]), int(slices[-1])
    high = _mask([occupancies[t.roi] for t in case.prescription.slots()["PTV_High"] if t.roi in occupancies], grid)
    organ = _mask([occupancies[case.names[name]] for name in organs], grid)
    body = _body(case, occupancies, first, last)
    return {
        PRESCRIPTION: highest,
        LEVELS: float(len({target.dose_gy for target in case.prescription.targets})),
        LOWEST_SHARE: case.prescription.targets[-1].dose_gy / highest,
        ORGANS: float(len(organs)),
        HIGH_VOLUME: float(high.sum()) * grid.voxel_volume_cc,
        ALL_VOLUME: float(targets.sum()) * grid.voxel_volume_cc,
        LENGTH: (last - first + 1) * grid.spacing[2],
        OVERLAP: 100 * float((organ & targets).sum() / max(1, organ.sum())),
        TARGET_HU: float(np.median(case.ct.array[targets])),
        SPACING: grid.spacing[2],
        **_of_body(body),
        **_of_scan(body.whole, first, last, grid),
    }


def _of_body(body: _Body) -> dict[str, float]:
    inside = body.hu[body.mask]
    edges = (body.mask[:, 0], body.mask[:, -1], body.mask[:, :, 0], body.mask[:, :, -1])
    metal = float((inside > METAL_HU).sum()) * body.pixel_cm2 * body.slice_mm / 10
    return {
        SECTION: float(body.mask.sum(axis=(1, 2)).mean()) * body.pixel_cm2,
        BODY_HU: float(inside.mean()) if inside.size else -1000.0,
        AIR: 100 * float((inside < AIR_HU).mean()) if inside.size else 100.0,
        METAL: metal,
        CUT: 100 * float(np.any([edge.any(axis=1) for edge in edges], axis=0).mean()),
    }


def _of_scan(body: np.ndarray, first: int, last: int, grid: Grid) -> dict[str, float]:
    """How far the scanned body reaches beyond the targets; slices may be stacked upwards or downwards."""
    seen = np.flatnonzero(body.any(axis=(1, 2)))
    before, after = (first - seen[0], seen[-1] - last) if len(seen) else (0, 0)
    above, below = (after, before) if grid.axes[2, 2] >= 0 else (before, after)
    return {ABOVE: max(0.0, float(above) * grid.spacing[2]), BELOW: max(0.0, float(below) * grid.spacing[2])}


def _body(case: Case, occupancies: Mapping[str, Volume], first: int, last: int) -> _Body:
    x, y, z = case.ct.grid.spacing
    i, j = (max(1, round(COARSE_MM / spacing)) for spacing in (x, y))
    hu = case.ct.array[:, ::j, ::i]
    external = occupancies.get(case.names.get(BODY, ""))
    if external is not None:
        whole = _mask([external], case.ct.grid)[:, ::j, ::i]
    else:
        k, rows, columns = hu.shape
        whole = body_mask(Volume(hu, replace(case.ct.grid, size=(columns, rows, k), spacing=(x * i, y * j, z))))
    return _Body(whole, whole[first : last + 1], hu[first : last + 1], x * i * y * j / 100, z)


def _mask(occupancies: Iterable[Volume], grid: Grid) -> np.ndarray:
    """[k, j, i] bool: the voxels of ``grid`` at least half of which lie in one of the structures."""
    mask = np.zeros(grid.shape, bool)
    for occupancy in occupancies:
        start = np.rint(grid.to_index(np.array(occupancy.grid.origin))).astype(int)
        i, j, k = (slice(first, first + count) for first, count in zip(start, occupancy.grid.size, strict=True))
        mask[k, j, i] |= occupancy.array >= 0.5
    return mask
