"""What must hold for any grid and any contour, tried on hundreds drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from DosePredictLib.core import GeometryError, Grid, Structure, Volume
from DosePredictLib.preprocessing.contours import rasterise
from DosePredictLib.preprocessing.resample import resample

lengths, shifts = st.floats(0.5, 10), st.floats(-500, 500)
angles = st.floats(0, 2 * np.pi)
triples = st.tuples(shifts, shifts, shifts)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any size, spacing, place and orientation."""
    size = draw(st.tuples(*[st.integers(1, 40)] * 3))
    spacing = draw(st.tuples(lengths, lengths, lengths))
    a, b, c = draw(st.tuples(angles, angles, angles))
    about_z, about_x, again = _rotation(a), _rotation(b)[np.ix_([2, 0, 1], [2, 0, 1])], _rotation(c)
    return Grid(size, spacing, draw(triples), tuple((about_z @ about_x @ again).ravel()))


def _rotation(angle: float) -> np.ndarray:
    """About z."""
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


@st.composite
def stars(draw: st.DrawFn) -> np.ndarray:
    """A polygon (n, 2) around (0, 0) without crossings, radii 10-40 mm."""
    count = draw(st.integers(3, 24))
    radii = np.array(draw(st.lists(st.floats(10, 40), min_size=count, max_size=count)))
    around = np.arange(count) * 2 * np.pi / count
    return np.column_stack([radii * np.cos(around), radii * np.sin(around)])


def shoelace(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


SLICES = range(-6, 9, 3)
GRID = Grid((60, 60, 9), (2.0, 2.0, 3.0), (-59.0, -59.0, -12.0))


def volume_cc(*polygons: np.ndarray, shift: tuple[float, float] = (0, 0), grid: Grid = GRID) -> float:
    contours = [np.column_stack([p + shift, np.full(len(p), z)]) for p in polygons for z in SLICES]
    raster = rasterise(Structure("organ", tuple(contours)), grid)
    return float(raster.volume.array.sum()) * grid.voxel_volume_cc


def stack_cc(polygon: np.ndarray) -> float:
    """Area times the height of five slices of 3 mm."""
    return shoelace(polygon) * len(SLICES) * 3.0 / 1000


@given(grids(), triples)
def test_index_and_world_undo_each_other(grid: Grid, index: tuple[float, float, float]) -> None:
    assert np.allclose(grid.to_index(grid.to_world(np.array(index))), index, atol=1e-6)


@given(grids(), triples, triples)
def test_distances_are_those_of_the_spacing(grid: Grid, one: tuple[float, ...], other: tuple[float, ...]) -> None:
    step = np.array(one) - np.array(other)
    apart = np.linalg.norm(grid.to_world(np.array(one)) - grid.to_world(np.array(other)))
    assert apart == pytest.approx(np.linalg.norm(step * grid.spacing), rel=1e-9, abs=1e-6)


@given(grids(), st.tuples(lengths, lengths, lengths))
def test_another_spacing_covers_the_same_volume_from_the_same_corner(grid: Grid, spacing: tuple[float, float, float]) -> None:
    other = grid.resampled(spacing)
    assert np.allclose(other.to_world(np.full(3, -0.5)), grid.to_world(np.full(3, -0.5)), atol=1e-6)
    surplus = np.array(other.size) * spacing - np.array(grid.size) * grid.spacing
    assert (surplus > -1e-4).all() and (surplus < np.array(spacing) + 1e-4).all()


@given(grids(), st.tuples(*[st.integers(-5, 5)] * 3))
def test_a_cropped_grid_keeps_its_voxels_where_they_were(grid: Grid, start: tuple[int, int, int]) -> None:
    assert np.allclose(grid.cropped(start, (2, 2, 2)).to_world(np.ones(3)), grid.to_world(np.array(start) + 1), atol=1e-6)


@given(grids(), st.sampled_from(["nan", "inf", "mirror", "zero"]))
def test_a_grid_that_cannot_be_is_refused(grid: Grid, fault: str) -> None:
    axes = grid.axes * [1, 1, -1]
    changes = {"mirror": {"direction": tuple(axes.ravel())}, "zero": {"spacing": (0.0, 1.0, 1.0)}}
    change = changes.get(fault, {"origin": (0.0, 0.0, float(fault) if fault in ("nan", "inf") else 0.0)})
    with pytest.raises(GeometryError):
        Grid(**({"size": grid.size, "spacing": grid.spacing, "origin": grid.origin, "direction": grid.direction} | change))


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-2, 2)] * 4), st.tuples(lengths, lengths, lengths))
def test_resampling_keeps_a_linear_field_where_it_is(slope: tuple[float, ...], spacing: tuple[float, float, float]) -> None:
    grid = Grid((12, 11, 10), (3.0, 4.0, 5.0), (-10.0, 20.0, 30.0))

    def field(on: Grid) -> np.ndarray:
        index = np.stack(np.meshgrid(*(np.arange(n) for n in on.size), indexing="ij"), axis=-1)
        return (on.to_world(index) @ np.array(slope[:3]) + slope[3]).transpose(2, 1, 0)

    target = Grid((4, 4, 4), tuple(min(s, 4.0) for s in spacing), (-2.0, 30.0, 40.0))
    moved = resample(Volume(field(grid), grid), target, outside=0.0, antialias=False)
    assert np.allclose(moved, field(target), atol=1e-2)


@settings(max_examples=40, deadline=None)
@given(stars())
def test_the_volume_is_that_of_the_polygons(star: np.ndarray) -> None:
    assert volume_cc(star) == pytest.approx(stack_cc(star), rel=0.01, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(stars(), st.tuples(st.floats(-15, 15), st.floats(-15, 15)), st.integers(1, 3))
def test_neither_a_shift_nor_a_quarter_turn_changes_the_volume(star: np.ndarray, shift: tuple[float, float], turns: int) -> None:
    turned = star @ np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), turns)
    assert volume_cc(turned, shift=shift) == pytest.approx(volume_cc(star), rel=0.01, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(stars(), st.floats(0.2, 0.8))
def test_a_contour_within_another_is_a_hole(star: np.ndarray, share: float) -> None:
    assert volume_cc(star, share * star) == pytest.approx(stack_cc(star) * (1 - share**2), rel=0.02, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(stars(), st.randoms())
def test_the_order_and_the_sense_of_drawing_do_not_matter(star: np.ndarray, chance) -> None:
    polygons = [star, 0.6 * star[::-1], 0.3 * star]
    expected = volume_cc(*polygons)
    chance.shuffle(polygons)
    assert volume_cc(*(np.roll(p, chance.randrange(len(p)), axis=0) for p in polygons)) == pytest.approx(expected, rel=1e-6)
