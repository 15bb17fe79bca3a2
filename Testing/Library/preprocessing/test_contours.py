"""Occupancy against shapes whose volume and place are known, against brute force, and against a planning system."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from DosePredictLib.core import GeometryError, Grid, Structure, Volume
from DosePredictLib.preprocessing.contours import Raster, rasterise

COARSE = Grid((64, 60, 40), (2.0, 2.0, 2.5), (-63.0, -59.0, -50.0))
FINE = Grid((72, 72, 72), (1.0, 1.0, 1.0), (-36.0, -36.0, -36.0))
DOSE = Grid((50, 48, 35), (3.1, 3.1, 3.7), (-75.3, -71.9, -61.7))  # coarser and shifted
HFP = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
FFS = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def circle(radius: float, z: float, centre: tuple[float, float] = (0.3, -0.7), points: int = 360) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(points, z)], axis=1)


def square(half: float, z: float, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + centre
    return np.column_stack([corners, np.full(4, z)])


def slices(grid: Grid) -> np.ndarray:
    return grid.origin[2] + grid.spacing[2] * np.arange(grid.size[2])


def sphere(radius: float, height: float, grid: Grid) -> Structure:
    chords = [(z, radius**2 - (z - height) ** 2) for z in slices(grid)]
    return Structure("sphere", tuple(circle(square**0.5, z) for z, square in chords if square > 0))


def cylinder(*radii: float, planes: np.ndarray) -> Structure:
    return Structure("cylinder", tuple(circle(radius, z) for z in planes for radius in radii))


def filled_cc(raster: Raster) -> float:
    return float(raster.volume.array.sum(dtype=float)) * raster.volume.grid.voxel_volume_cc


def centre_of_mass(raster: Raster) -> np.ndarray:
    k, j, i = np.indices(raster.volume.array.shape)
    weight = raster.volume.array / raster.volume.array.sum()
    return raster.volume.grid.to_world(np.array([(weight * axis).sum() for axis in (i, j, k)]))


@pytest.mark.parametrize("grid", [COARSE, FINE], ids=["2x2x2.5 mm", "1x1x1 mm"])
@pytest.mark.parametrize(("radius", "within"), [(30.0, 0.01), (10.0, 0.01), (5.0, 0.03)])
def test_a_sphere_has_its_volume_on_average_over_its_position_between_slices(grid: Grid, radius: float, within: float) -> None:
    heights = grid.spacing[2] * np.arange(8) / 8  # each single one carries the error of a sphere cut into slabs
    volumes = [filled_cc(rasterise(sphere(radius, height, grid), grid)) for height in heights]
    assert np.mean(volumes) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=within)


@pytest.mark.parametrize("grid", [COARSE, FINE, DOSE], ids=["CT", "fine", "dose grid"])
@pytest.mark.parametrize("radius", [30.0, 10.0, 5.0])
def test_the_discs_of_a_sphere_have_their_volume_at_every_position(grid: Grid, radius: float) -> None:
    for height in (0.0, 0.4, 1.1):
        drawn = sphere(radius, height, COARSE)
        discs = sum(np.pi * (radius**2 - (c[0, 2] - height) ** 2) * COARSE.spacing[2] for c in drawn.contours) / 1000
        raster = rasterise(drawn, grid)
        assert raster.volume_cc == pytest.approx(discs, rel=3e-3)
        assert filled_cc(raster) == pytest.approx(discs, rel=3e-3)


@pytest.mark.parametrize("grid", [COARSE, DOSE], ids=["CT", "dose grid"])
@pytest.mark.parametrize("radii", [(20.0, 10.0), (25.0, 17.0, 8.0)], ids=["ring", "three nested levels"])
def test_nested_contours_alternate_between_inside_and_outside(radii: tuple[float, ...], grid: Grid) -> None:
    raster = rasterise(cylinder(*radii, planes=slices(COARSE)[10:30]), grid)
    area = sum(np.pi * radius**2 * sign for radius, sign in zip(radii, (1, -1, 1), strict=False))
    assert filled_cc(raster) == pytest.approx(area * 50 / 1000, rel=2e-3)
    assert not raster.notes


def test_a_hole_is_a_hole_whatever_the_direction_and_order_it_is_drawn_in() -> None:
    """CLOSED_PLANAR and CLOSEDPLANAR_XOR differ in nothing else."""
    planes = slices(COARSE)[10:14]
    ring = cylinder(20.0, 10.0, planes=planes)
    turned = Structure("ring", tuple(c[::-1] if n % 2 else c for n, c in enumerate(ring.contours))[::-1])
    assert np.array_equal(rasterise(ring, COARSE).on(COARSE), rasterise(turned, COARSE).on(COARSE))
    assert rasterise(ring, COARSE).on(COARSE)[11, 29, 31] == 0


def test_a_keyhole_encloses_what_the_ring_without_its_bridge_encloses() -> None:
    planes = slices(COARSE)[10:30]
    keyholes = []
    for z in planes:
        outer, inner = circle(20.0, z), circle(10.0, z)[::-1]
        keyholes.append(np.concatenate([outer, outer[:1], inner[-1:], inner]))
    keyhole = rasterise(Structure("keyhole", tuple(keyholes)), COARSE).on(COARSE)
    assert np.array_equal(keyhole, rasterise(cylinder(20.0, 10.0, planes=planes), COARSE).on(COARSE))


@pytest.mark.parametrize(("direction", "flips"), [(HFP, (1, 2)), (FFS, (0, 2))], ids=["HFP", "FFS"])
def test_a_patient_lying_otherwise_has_the_same_structure_in_turned_voxels(direction: tuple, flips: tuple[int, ...]) -> None:
    last = [COARSE.size[2 - axis] - 1 if axis in flips else 0 for axis in (2, 1, 0)]
    turned = Grid(COARSE.size, COARSE.spacing, tuple(COARSE.to_world(np.array(last))), direction)
    structure = sphere(20.0, 3.0, COARSE)
    expected = np.flip(rasterise(structure, COARSE).on(COARSE), flips)
    assert np.allclose(rasterise(structure, turned).on(turned), expected, atol=1e-3)


def test_a_rotated_image_with_its_contours_gives_the_same_occupancy() -> None:
    cosine, sine = np.cos(0.3), np.sin(0.3)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    rotated = Grid(COARSE.size, COARSE.spacing, tuple(rotation @ COARSE.origin), tuple(rotation.ravel()))
    structure = sphere(20.0, 3.0, COARSE)
    drawn = Structure("rotated", tuple(c @ rotation.T for c in structure.contours))
    assert np.allclose(rasterise(drawn, rotated).on(rotated), rasterise(structure, COARSE).on(COARSE), atol=1e-3)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_contours_on_every_second_slice_fill_the_slices_between(step: int) -> None:
    planes = slices(COARSE)[6:30:step]
    raster = rasterise(cylinder(15.0, planes=planes), COARSE)
    assert filled_cc(raster) == pytest.approx(np.pi * 15**2 * 24 * 2.5 / 1000, rel=2e-3)
    assert raster.volume.array.any(axis=(1, 2)).all()


@pytest.mark.parametrize("grid", [COARSE, DOSE, FINE], ids=["CT", "dose grid", "fine"])
@pytest.mark.parametrize("shift", [0.0, 0.6, 1.25])
def test_contours_between_slices_stay_where_they_are(grid: Grid, shift: float) -> None:
    planes = slices(COARSE)[16:24] + shift
    raster = rasterise(cylinder(15.0, planes=planes), grid)
    assert filled_cc(raster) == pytest.approx(np.pi * 15**2 * 20 / 1000, rel=2e-3)
    assert centre_of_mass(raster) == pytest.approx([0.3, -0.7, planes.mean()], abs=0.06)  # half-filled end voxels


def test_a_box_with_edges_on_voxel_centres_does_not_grow() -> None:
    box = Structure("box", tuple(square(10.0, z, centre=(1.0, 1.0)) for z in slices(COARSE)[10:20]))
    raster = rasterise(box, COARSE)
    assert filled_cc(raster) == pytest.approx(20 * 20 * 25 / 1000, rel=1e-6)
    assert raster.volume.array[0, 0, :3].tolist() == [0.25, 0.5, 0.5]
    assert raster.offset == (27, 25, 10)


def brute_force(polygon: np.ndarray, size: int, per_pixel: int = 32) -> np.ndarray:
    """Even-odd coverage of pixels of 1 mm, centred on 0, 1, ...: every sample asks what lies on its left."""
    sample = (np.arange(size * per_pixel) + 0.5) / per_pixel - 0.5
    inside = np.zeros((sample.size, sample.size), dtype=bool)
    for (xa, ya), (xb, yb) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        rows = np.flatnonzero((ya <= sample) != (yb <= sample))
        if rows.size:
            inside[rows] ^= (xa + (sample[rows] - ya) * (xb - xa) / (yb - ya))[:, None] < sample
    return inside.reshape(size, per_pixel, size, per_pixel).mean(axis=(1, 3))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12), st.sampled_from([4, 8, 16]))
def test_any_polygon_covers_what_brute_force_finds_even_one_that_crosses_itself(seed: int, points: int, subsampling: int) -> None:
    polygon = np.random.default_rng(seed).uniform(0, 60, (points, 2))
    grid = Grid((60, 60, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    drawn = Structure("polygon", (np.column_stack([polygon, np.zeros(points)]),))
    error = rasterise(drawn, grid, subsampling=subsampling).on(grid)[0] - brute_force(polygon, 60)
    assert np.abs(error).max() <= 2 / subsampling
    assert np.abs(error).mean() < 0.005
    assert abs(error.mean()) < 2e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 359), st.booleans(), st.booleans(), st.permutations(range(6)))
def test_start_closing_direction_and_order_of_contours_change_nothing(
    start: int, closed: bool, backwards: bool, order: list[int]
) -> None:
    drawn = cylinder(20.0, 10.0, planes=slices(COARSE)[10:13]).contours
    again = [np.roll(contour, start, axis=0) for contour in drawn]
    again = [np.concatenate([contour, contour[:1]]) if closed else contour for contour in again]
    again = [contour[::-1] if backwards else contour for contour in again]
    other = Structure("again", tuple(again[n] for n in order))
    assert np.array_equal(rasterise(other, COARSE).on(COARSE), rasterise(Structure("first", drawn), COARSE).on(COARSE))


@settings(max_examples=20, deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-2, 2))
def test_neighbours_that_share_a_slanted_wall_and_a_plane_add_up_to_one(bottom: float, top: float, z: float) -> None:
    planes = z + np.array([0.0, 2.5, 5.0, 7.5])
    left = np.array([(-30.0, -30.0), (bottom, -30.0), (top, 30.0), (-30.0, 30.0)])
    right = np.array([(bottom, -30.0), (30.0, -30.0), (30.0, 30.0), (top, 30.0)])
    parts = [
        Structure("part", tuple(np.column_stack([half, np.full(4, height)]) for height in pair))
        for half in (left, right)
        for pair in (planes[:2], planes[2:])
    ]
    whole = Structure("whole", tuple(square(30.0, height) for height in planes))
    total = sum(rasterise(part, COARSE).on(COARSE) for part in parts)
    assert np.allclose(total, rasterise(whole, COARSE).on(COARSE), atol=1e-6)


def test_occupancy_outside_the_structure_is_exactly_zero_and_inside_exactly_one() -> None:
    occupancy = rasterise(sphere(25.0, 0.9, COARSE), DOSE).on(DOSE)
    distance = np.linalg.norm(DOSE.to_world(np.stack(np.indices(DOSE.shape)[::-1], axis=-1)) - (0.3, -0.7, 0.9), axis=-1)
    assert (occupancy[distance > 25 + 4] == 0).all()
    assert (occupancy[distance < 25 - 5] == 1).all()


def test_a_gap_between_islands_stays_empty_and_is_reported() -> None:
    raster = rasterise(cylinder(15.0, planes=np.array([0, 2.5, 5, 20, 22.5])), COARSE)
    assert filled_cc(raster) == pytest.approx(np.pi * 15**2 * 5 * 2.5 / 1000, rel=2e-3)
    assert raster.notes == ("contours are 15.0 mm apart in one place (typically 2.5 mm); the gap was left empty",)


def test_a_structure_reaching_out_of_the_grid_keeps_its_own_volume_and_tells_the_share_inside() -> None:
    half = COARSE.cropped((0, 0, 0), (32, 60, 40))  # its edge is at x = 0
    raster = rasterise(Structure("box", tuple(square(10.0, z, centre=(5.0, 0.0)) for z in slices(COARSE)[10:20])), half)
    assert raster.volume_cc == pytest.approx(10.0)
    assert raster.coverage == pytest.approx(0.25)
    assert raster.notes == ("75.0 % of its volume lies outside the image",)
    assert raster.on(half).sum() == pytest.approx(2.5 / half.voxel_volume_cc)


def test_a_structure_without_the_grid_or_without_contours_is_empty_and_says_so() -> None:
    far = rasterise(cylinder(5.0, planes=np.array([500.0, 502.5])), COARSE)
    assert far.is_empty and far.coverage == 0 and far.volume_cc == pytest.approx(np.pi * 25 * 5 / 1000, rel=5e-3)
    assert far.notes == ("it lies outside the image",)
    assert rasterise(Structure("empty"), COARSE).notes == ("it has no contour that encloses an area",)
    assert not rasterise(Structure("empty"), COARSE).on(COARSE).any()


def test_contours_that_enclose_nothing_or_repeat_are_left_out_with_a_note() -> None:
    drawn = cylinder(15.0, planes=slices(COARSE)[10:13])
    point, line = circle(1.0, 4.0)[:1], circle(1.0, 4.0)[[0, 1, 0]]
    raster = rasterise(Structure("messy", (*drawn.contours, point, line, drawn.contours[1].copy())), COARSE)
    assert np.array_equal(raster.on(COARSE), rasterise(drawn, COARSE).on(COARSE))
    assert raster.notes == (
        "2 contour(s) with fewer than 3 points or no area were ignored",
        "1 contour(s) drawn twice were taken once",
    )


def test_contours_that_intersect_are_reported_and_neighbours_that_touch_are_not() -> None:
    planes = slices(COARSE)[10:13]
    overlapping = [square(10.0, z, centre=(c, 0.0)) for z in planes for c in (-5.0, 5.0)]
    touching = [square(10.0, z, centre=(c, 0.0)) for z in planes for c in (-10.0, 10.0)]
    notes = rasterise(Structure("islands", tuple(overlapping)), COARSE).notes
    assert notes == ("contours intersect on 3 plane(s); where two overlap counts as outside (even-odd)",)
    assert not rasterise(Structure("islands", tuple(touching)), COARSE).notes


def test_contours_across_the_slices_or_far_away_are_refused_by_the_name_of_the_structure() -> None:
    coronal = circle(15.0, 0.0)[:, [0, 2, 1]]
    with pytest.raises(GeometryError, match=r"Cord is not parallel to the slices .* 30\.0 mm"):
        rasterise(Structure("Cord", (coronal,)), COARSE)
    for damaged in (np.nan, 1e9):
        contour = circle(15.0, 0.0)
        contour[3, 0] = damaged
        with pytest.raises(GeometryError, match="Cord has points more than 10 m away"):
            rasterise(Structure("Cord", (contour,)), COARSE)


def test_a_raster_refuses_a_grid_it_was_not_made_on() -> None:
    with pytest.raises(GeometryError, match="another grid"):
        rasterise(sphere(10.0, 0.0, COARSE), COARSE).on(FINE)


@pytest.mark.parametrize("grid", [COARSE, FINE, DOSE], ids=["its own grid", "finer", "coarser and shifted"])
def test_occupancy_without_contours_keeps_its_volume_and_place(grid: Grid) -> None:
    drawn = rasterise(sphere(20.0, 3.0, COARSE), COARSE)
    raster = rasterise(Structure("mask", occupancy=Volume(drawn.on(COARSE), COARSE)), grid)
    assert raster.volume_cc == pytest.approx(drawn.volume_cc, rel=1e-6)
    assert filled_cc(raster) == pytest.approx(drawn.volume_cc, rel=5e-3)
    assert centre_of_mass(raster) == pytest.approx([0.3, -0.7, 3.0], abs=0.05)
