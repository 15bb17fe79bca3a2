"""What the network sees: the right structure in the right channel, at the right place, in the right unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from DosePredictLib.core import Case, Grid, InputError, Prescription, Recipe, Structure, StructureSet, Target, Volume
from DosePredictLib.io.case import load_case
from DosePredictLib.phantom.dicom import write_case
from DosePredictLib.preprocessing.channels import body_on, conditions, distance_channel, network_grid
from DosePredictLib.preprocessing.crop import Box, network_box
from DosePredictLib.preprocessing.distance_maps import signed_distance_mm
from DosePredictLib.preprocessing.intensity import dose_to_unit, unit_to_dose

RECIPE = Recipe(model="dosediff", spacing_mm=(4.0, 4.0, 4.0))
GRID = Grid((40, 40, 20), (4.0, 4.0, 4.0), (-78.0, -78.0, -38.0))


def ball(name: str, centre: tuple[float, float, float], radius: float) -> Structure:
    """A sphere as occupancy on GRID."""
    k, j, i = np.indices(GRID.shape)
    place = GRID.to_world(np.stack([i, j, k], axis=-1))
    return Structure(name, occupancy=Volume((np.linalg.norm(place - centre, axis=-1) <= radius).astype(np.float32), GRID))


def ball_case(**changes) -> Case:
    structures = StructureSet((ball("high", (0, 0, 0), 20), ball("low", (0, 0, 0), 32), ball("left", (48, 0, 0), 12)))
    prescription = Prescription((Target("high", 60.0), Target("low", 48.0)))
    case = Case(Volume(np.full(GRID.shape, 40.0), GRID), structures, prescription, names={"Parotid_L": "left"})
    return replace(case, **changes)


def channel(given, name: str) -> np.ndarray:
    return given.channels[RECIPE.channels.index(name)]


def on_grid(given, name: str) -> np.ndarray:
    """[k, j, i]; not a number beyond the box."""
    whole = np.full(given.grid.shape, np.nan, np.float32)
    given.box.put(channel(given, name), whole)
    return whole


def test_distance_maps_hold_the_distance_in_decimetres_positive_inside():
    given = conditions(ball_case(), RECIPE, GRID, trust_air=True)
    j = i = 20  # 2 mm from the centre along x and y
    assert on_grid(given, "SDM:PTV_High")[10, j, i] == pytest.approx((20 - 3.5) / 100, abs=0.035)
    assert on_grid(given, "SDM:PTV_High")[10, j, i + 15] == pytest.approx((20 - 62) / 100, abs=0.035)
    assert on_grid(given, "SDM:Parotid_L")[10, 19, 31] > 0 > on_grid(given, "SDM:Parotid_L")[10, 19, 8]


@pytest.mark.parametrize("centre", [(0, 0, 0), (70, 70, 30), (-78, 0, -38)])
def test_distances_in_the_box_are_those_of_the_whole_grid(centre):
    inside = ball("organ", centre, 14).occupancy.array >= 0.5
    box = Box((6, 12, -4), (12, 28, 28))  # smaller than the grid, and beyond its edge
    in_box = distance_channel(inside, GRID, RECIPE, box)
    everywhere = np.clip(signed_distance_mm(inside, GRID), -200, 200) / 100
    np.testing.assert_allclose(box.take(in_box), box.take(everywhere), atol=1e-6)
    assert (in_box[0, 0, 30:] == -2.0).all() or centre[0] == 70  # what nobody looks at is not computed


@pytest.mark.parametrize(("counted", "above"), [(False, 0.045), (True, 0.015)])
def test_distances_may_be_counted_in_voxels_whatever_their_size(counted, above):
    """Of a slab of 3 mm slices, whose surface lies half a voxel beyond its last slice: two slices on, 1.5 voxels or 4.5 mm."""
    grid = Grid((8, 8, 12), (4.0, 4.0, 3.0), (0.0, 0.0, 0.0))
    slab = np.zeros(grid.shape, bool)
    slab[4:8, 1:-1, 1:-1] = True
    box = Box((0, 0, 0), grid.shape)
    found = distance_channel(slab, grid, replace(RECIPE, voxel_distances=counted), box)
    assert found[9, 4, 4] == pytest.approx(-above)


def test_a_missing_structure_is_far_away_everywhere():
    given = conditions(ball_case(), RECIPE, GRID, trust_air=True)
    assert (channel(given, "SDM:Brainstem") == -2.0).all() and (channel(given, "SDM:PTV_Mid") == -2.0).all()
    assert "Brainstem" in given.missing and "Parotid_L" not in given.missing


def test_a_lower_target_is_what_the_higher_one_leaves_of_it():
    given = conditions(ball_case(), RECIPE, GRID, trust_air=True)
    levels = on_grid(given, "Prescription")
    assert levels[10, 20, 20] == 1.0
    assert levels[10, 20, 26] == pytest.approx(0.8)  # 26 mm out: only "low"
    assert levels[10, 20, 35] == 0.0
    assert on_grid(given, "SDM:PTV_Low")[10, 20, 20] < 0


def sphere_shell(name: str, inner: float, outer: float, parts: int = 5) -> Structure:
    """Around the centre; voxels at its surfaces are filled in part, as those of contours are."""
    filled = np.zeros(GRID.shape)
    k, j, i = np.indices(GRID.shape)
    for offset in np.ndindex(parts, parts, parts):
        step = (np.array(offset) + 0.5) / parts - 0.5
        away = np.linalg.norm(GRID.to_world(np.stack([i, j, k], axis=-1) + step), axis=-1)
        filled += (away >= inner) & (away < outer)
    return Structure(name, occupancy=Volume((filled / parts**3).astype(np.float32), GRID))


def given_for(high: Structure, low: Structure):
    prescription = Prescription((Target("high", 60.0), Target("low", 48.0)))
    return conditions(ball_case(structures=StructureSet((high, low)), prescription=prescription), RECIPE, GRID, trust_air=True)


@pytest.mark.parametrize("inner", [0, 17])
def test_voxels_that_a_target_fills_in_part_have_its_whole_prescription_or_none(inner):
    """A lower target that holds the higher one, and one that is a thin ring around it, are the same."""
    given = given_for(sphere_shell("high", 0, 17), sphere_shell("low", inner, 22))
    levels = channel(given, "Prescription")
    np.testing.assert_array_equal(np.unique(levels), np.array([0, 0.8, 1], np.float32))
    whole, high = (sphere_shell("", 0, radius).occupancy.array >= 0.5 for radius in (22, 17))
    np.testing.assert_array_equal(levels > 0, given.box.take(whole))  # no gap between the levels
    np.testing.assert_array_equal(levels == 1, given.box.take(high))
    np.testing.assert_array_equal(channel(given, "SDM:PTV_Low") > 0, levels == np.float32(0.8))


def test_targets_that_end_at_the_same_surface_do_not_grow():
    given = given_for(sphere_shell("high", 0, 17), sphere_shell("low", 0, 17))
    np.testing.assert_array_equal(
        channel(given, "Prescription") > 0, given.box.take(sphere_shell("", 0, 17).occupancy.array >= 0.5)
    )


@pytest.mark.parametrize(("high_mm", "belongs"), [(4, True), (80, False)])
def test_air_in_a_target_belongs_to_the_patient_unless_much_of_the_target_lies_there(high_mm, belongs):
    """An airway 8 mm wide, open to the front, from the middle of a target of 20 mm radius."""
    hu = np.full(GRID.shape, -1000.0)
    hu[:, 4:36, 4:36] = 40.0
    k, j, i = np.indices(GRID.shape)
    x, y, z = np.moveaxis(GRID.to_world(np.stack([i, j, k], axis=-1)), -1, 0)
    hu[(np.abs(x) < 4) & (y < 0) & (np.abs(z - 2) <= high_mm / 2)] = -1000.0
    body = body_on(ball_case(ct=Volume(hu, GRID)), GRID)
    assert body[10, 30, 20] and body[10, 17, 19] == belongs and not body[10, 5, 19]


def test_the_network_sees_the_couch_as_it_did_in_training_but_no_noise_of_the_air_around():
    hu = np.random.default_rng(1).normal(-995, 10, GRID.shape)
    hu[:, 4:30, 4:36] = 40.0
    hu[:, 33:35, 6:34] = -600.0  # foam below the patient
    structures = StructureSet((*ball_case().structures, ball("External", (0, 0, 0), 50)))
    case = ball_case(ct=Volume(hu, GRID), structures=structures, names={"External": "External"})
    given = conditions(case, replace(RECIPE, margin_mm=0.0), GRID)
    ct, body = on_grid(given, "CT"), body_on(case, GRID)
    assert np.allclose(ct[10, 33:35, 10:30], -0.68) and not body[10, 33:].any()
    assert (ct[10, 31, 8:12] == -1.0).all() and np.allclose(ct[10, 20:28, 16:24], -0.168)


def test_ct_is_clipped_and_scaled():
    hu = np.full(GRID.shape, -2000.0)
    hu[:, :, 20:] = 250.0
    hu[:, :, 30:] = 3000.0
    given = conditions(ball_case(ct=Volume(hu, GRID)), RECIPE, GRID, trust_air=True)
    assert set(np.unique(channel(given, "CT"))) == {-1.0, 0.0, 1.0}


def test_a_required_structure_that_is_missing_is_named():
    with pytest.raises(InputError, match="needs SpinalCord"):
        conditions(ball_case(), replace(RECIPE, required_structures=("SpinalCord",)), GRID, trust_air=True)


def test_a_target_outside_the_ct_is_refused_by_name():
    far = Structure("high", contours=(np.array([[900.0, 0, 0], [920, 0, 0], [910, 20, 0]]),))
    with pytest.raises(InputError, match="high"):
        case = ball_case(structures=StructureSet((far,)), prescription=Prescription((Target("high", 60.0),)), names={})
        conditions(case, RECIPE, GRID, trust_air=True)


def test_dose_in_network_units_comes_back():
    gray = np.linspace(0, 65, 50)
    np.testing.assert_allclose(unit_to_dose(dose_to_unit(gray, 60.0, RECIPE), 60.0, RECIPE), gray, atol=1e-5)
    assert unit_to_dose(np.array([-1.2]), 60.0, RECIPE) == 0


def test_a_box_takes_and_puts_back_beyond_the_edge():
    array = np.arange(60.0).reshape(3, 4, 5)
    box = Box((0, -2, 1), (3, 6, 4))
    taken = box.take(array)
    assert taken.shape == box.shape == (3, 8, 3)
    np.testing.assert_array_equal(taken[:, :2], np.repeat(array[:, :1, 1:4], 2, axis=1))
    target = np.zeros_like(array)
    box.put(taken, target)
    np.testing.assert_array_equal(target[:, :, 1:4], array[:, :, 1:4])
    assert not target[:, :, 0].any()


def test_the_network_box_holds_targets_with_margin_and_the_body_there():
    targets, body = np.zeros((30, 40, 50), bool), np.zeros((30, 40, 50), bool)
    targets[12:16, 20, 20] = True
    body[:, 5:30, 10:45] = True
    body[0] = True  # a table that is only there where the network does not look
    box = network_box(targets, body, slice_mm=2.5, margin_mm=10.0, multiple=16)
    assert (box.start[0], box.stop[0]) == (8, 20)
    assert box.start[1] <= 5 and box.stop[1] >= 30 and box.shape[1] == 32
    assert box.start[2] <= 10 and box.stop[2] >= 45 and box.shape[2] == 48


@pytest.mark.parametrize("orientation", ["HFP", "FFS", "FFP"])
def test_however_the_patient_lay_the_network_sees_the_same(tmp_path, phantom_case, orientation):
    seen = {}
    for position in ("HFS", orientation):
        write_case(tmp_path / position, replace(phantom_case, reference=None), orientation=position, salt=position)
        case = load_case([tmp_path / position]).case
        seen[position] = conditions(case, RECIPE, network_grid(case, RECIPE))
    assert seen["HFS"].grid.matches(seen[orientation].grid, tolerance_mm=0.1)
    difference = np.abs(seen["HFS"].channels - seen[orientation].channels)
    assert np.percentile(difference, 99) < 0.05 and difference.mean() < 0.005
