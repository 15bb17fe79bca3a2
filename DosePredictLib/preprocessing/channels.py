"""A case to the channels a network is conditioned on, as its recipe says; the same code in training and in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, reduce

import numpy as np
from scipy.ndimage import binary_dilation

from ..core import BODY, TARGET_SLOTS, Case, Grid, InputError, Recipe, Structure, Volume
from ..core.parallel import in_threads
from .body import body_mask, filled
from .contours import rasterise
from .crop import Box, box_with, network_box
from .distance_maps import signed_distance_mm
from .intensity import ct_to_unit
from .planning import Objectives, planned_doses
from .resample import resample

AIR_HU = -400.0  # below this, a CT that is empty outside the patient shows no patient
EMPTY_HU = -999.5  # below this it shows nothing: OpenKBP's dose reaches into mask, foam and couch, wherever there is a CT
THIN_HU = -950.0  # above this, what lies beside the body is mask, foam or couch, not the air of a scan and its noise
# Of a target, in the body; the rest is air that no skin closes in: 4 % at most in validation patients whose CT is whole.
MOSTLY = 0.95


@dataclass(frozen=True, eq=False)
class Conditions:
    """What the network sees of a case: (len(recipe.channels), k, j, i) float32, over the ``box`` of voxels of ``grid``."""

    channels: np.ndarray
    grid: Grid
    box: Box
    missing: tuple[str, ...]  # model names of organs the patient does not have


def network_grid(case: Case, recipe: Recipe) -> Grid:
    """The CT's volume at the recipe's voxel size, along the patient's own axes."""
    return along_patient(case.ct.grid, recipe.spacing_mm)


def along_patient(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """The volume of ``grid`` in voxels of ``spacing_mm``, along the patient's own axes (LPS) however he lay in the scanner."""
    low, high = grid.corners.min(axis=0), grid.corners.max(axis=0)
    spacing = np.array(spacing_mm)
    i, j, k = (int(n) for n in np.maximum(1, np.round((high - low) / spacing) + 1))
    x, y, z = (float(v) for v in (low + high) / 2 - (np.array([i, j, k]) - 1) / 2 * spacing)
    return Grid((i, j, k), spacing_mm, (x, y, z))


def conditions(case: Case, recipe: Recipe, grid: Grid, *, trust_air: bool = False) -> Conditions:
    """Channels of ``case`` on ``grid``: CT, prescription map, then signed distance maps of targets and organs.

    trust_air: the CT is already empty outside the patient (OpenKBP), so no body is looked for.
    Raises InputError where a target or a required structure has no voxel on the grid.
    """
    low = recipe.ct_range_hu[0]
    hu = resample(case.ct, grid, outside=low)
    body = filled(hu > AIR_HU) if trust_air else body_on(case, grid)
    targets = target_masks(case, grid)
    _require_targets(case, targets)
    organs = {name: _organ(case, name, grid) for name in recipe.structures}
    _require(recipe, organs)
    shown = hu > EMPTY_HU if trust_air else body | (hu > THIN_HU)
    ct = ct_to_unit(np.where(shown, hu, low), recipe)
    prescription = prescription_map(case, targets)
    slice_multiple = recipe.pad_multiple if recipe.volumetric else 1
    box = network_box(prescription > 0, body, grid.spacing[2], recipe.margin_mm, recipe.pad_multiple, slice_multiple)
    maps = in_threads(lambda one: distance_channel(one, grid, recipe, box), [*targets.values(), *organs.values()])
    missing = tuple(name for name, inside in organs.items() if inside is None)
    planned = planned_channels(hu, filled(shown), box, prescription, organs, recipe, grid) if recipe.planning else []
    return Conditions(box.stacked([ct, prescription, *maps, *planned]), grid, box, missing)


def planned_channels(
    hu: np.ndarray,
    dosed: np.ndarray,
    box: Box,
    prescription: np.ndarray,
    organs: dict[str, np.ndarray | None],
    recipe: Recipe,
    grid: Grid,
) -> list[np.ndarray]:
    """Doses of simple fields as shares of the highest prescription, where ``dosed`` or near it, and in the box."""
    region = np.zeros(grid.shape, bool)
    box.put(np.ones(box.shape, bool), region)
    return list(
        planned_doses(
            Volume(np.where(dosed, hu, recipe.ct_range_hu[0]), grid),
            region & dosed,
            prescription,
            {name: inside for name, inside in organs.items() if inside is not None},
            [Objectives(**plan) for plan in recipe.planning["plans"]],
            recipe.planning["angles_deg"],
            region & widened(dosed, grid, recipe.planning.get("beyond_mm", 0.0)),
        )
    )


def widened(mask: np.ndarray, grid: Grid, margin_mm: float) -> np.ndarray:
    """``mask`` [k, j, i] grown within each slice, by a margin rounded to whole voxels."""
    steps = round(margin_mm / grid.spacing[0])
    return binary_dilation(mask, np.ones((1, 3, 3), bool), iterations=steps) if steps else mask


def prescription_map(case: Case, targets: Mapping[str, np.ndarray | None]) -> np.ndarray:
    """Prescription as a share of the highest, inside the targets ([k, j, i] bool of each slot); 0 elsewhere."""
    highest, slots = case.prescription.highest_gy, case.prescription.slots()
    share = {slot: np.float32(members[0].dose_gy / highest) for slot, members in slots.items()}
    return reduce(np.maximum, (share[slot] * inside for slot, inside in targets.items() if inside is not None))


def distance_channel(inside: np.ndarray | None, grid: Grid, recipe: Recipe, box: Box) -> np.ndarray:
    """Signed distance in the recipe's unit, clipped, in the box; "far outside" elsewhere and for a missing structure.

    inside: [k, j, i] bool.
    """
    channel = np.full(grid.shape, recipe.missing_distance_mm / recipe.distance_unit_mm, np.float32)
    if inside is not None and inside.any():
        seen, clip = box_with(box, inside), recipe.distance_clip_mm
        counted = replace(grid, spacing=(1.0, 1.0, 1.0)) if recipe.voxel_distances else grid
        channel[seen] = np.clip(signed_distance_mm(inside[seen], counted), -clip, clip) / recipe.distance_unit_mm
    return channel


def target_masks(case: Case, grid: Grid) -> dict[str, np.ndarray | None]:
    """[k, j, i] bool of each target slot; a lower level is what the higher ones leave of it (as in OpenKBP).

    A voxel belongs to the highest level with which the targets fill half of it, so that none is lost between two levels.
    """
    slots = case.prescription.slots()
    filled_so_far, taken = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, bool)
    masks: dict[str, np.ndarray | None] = {}
    for slot in TARGET_SLOTS:
        for target in slots.get(slot, ()):
            filled_so_far = together(filled_so_far, occupancy_on(case.structures[target.roi], grid))
        reached = filled_so_far >= 0.5
        masks[slot] = reached & ~taken if slot in slots else None
        taken = reached
    return masks


def together(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Fraction of each voxel in either of two structures, of the fractions in each.

    They add up where the structures lie beside each other; where one lies within the other, the larger fraction is the whole.
    """
    shared, smaller = np.minimum(one, other).sum(), min(one.sum(), other.sum())
    return np.maximum(one, other) if shared > smaller / 2 else np.minimum(one + other, 1)


def body_on(case: Case, grid: Grid) -> np.ndarray:
    """[k, j, i] bool: the patient's body on ``grid``, from the External contour, or from the CT where there is none."""
    external = case.structure(BODY)
    if external is not None:
        return mask_on(external, grid)
    return _with_airways(resample(_found_body(case.ct), grid, outside=0.0) >= 0.5, case, grid)


@lru_cache(maxsize=1)
def _found_body(ct: Volume) -> Volume:
    """Of the last CT asked for: a prediction asks for its body on several grids."""
    return Volume(body_mask(ct).astype(np.float32), ct.grid)


def _with_airways(body: np.ndarray, case: Case, grid: Grid) -> np.ndarray:
    """The body, and the air of open airways that a target reaches into; not of a target that lies beside the patient."""
    masks = [mask_on(case.structures[target.roi], grid) for target in case.prescription.targets]
    return reduce(np.logical_or, (mask for mask in masks if (mask & body).sum() > MOSTLY * mask.sum()), body)


def occupancy_on(structure: Structure, grid: Grid) -> np.ndarray:
    """Fraction of each voxel of ``grid`` inside the structure, float32 [k, j, i]."""
    if structure.occupancy is not None and structure.occupancy.grid == grid:
        return structure.occupancy.array.astype(np.float32)
    return rasterise(structure, grid).on(grid)


def mask_on(structure: Structure, grid: Grid) -> np.ndarray:
    """[k, j, i] bool: voxels of ``grid`` that the structure fills by half or more."""
    return occupancy_on(structure, grid) >= 0.5


def _organ(case: Case, name: str, grid: Grid) -> np.ndarray | None:
    structure = case.structure(name)
    return None if structure is None else mask_on(structure, grid)


def _require_targets(case: Case, targets: Mapping[str, np.ndarray | None]) -> None:
    if not any(inside is not None and inside.any() for inside in targets.values()):
        names = ", ".join(target.roi for target in case.prescription.targets)
        raise InputError(f"None of the targets ({names}) fills a voxel of the CT; check that they are contoured on this CT.")


def _require(recipe: Recipe, organs: dict[str, np.ndarray | None]) -> None:
    for name in recipe.required_structures:
        inside = organs.get(name)
        if inside is None or not inside.any():
            raise InputError(
                f"The model needs {name}, which is missing, empty or outside the CT; contour it or map another ROI to it."
            )
