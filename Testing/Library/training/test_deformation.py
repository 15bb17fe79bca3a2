"""Deformed patients: against numpy's rotations and against fields whose deformation is known."""

from __future__ import annotations

import numpy as np
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.training.augmentation import Augmentation
from DosePredictLib.training.deformation import along_axis, deformed, displacements, reshaped, shortened, within_slices

BENT = Augmentation(rotation=15, zoom=1.2, bend=2)


def ramp(axis: int, shape: tuple[int, int, int] = (8, 20, 30)) -> torch.Tensor:
    """(2, k, j, i): voxels' distance from the middle along one axis, and ones, where something counts."""
    values = torch.meshgrid(*(torch.arange(float(n)) - (n - 1) / 2 for n in shape), indexing="ij")[axis]
    return torch.stack([values, torch.ones(shape)])


def test_a_quarter_turn_is_numpys():
    volume = torch.from_numpy(np.random.default_rng(0).random((3, 4, 10, 10)).astype(np.float32))
    turned = within_slices(volume, np.pi / 2, np.ones(2))
    expected = [np.rot90(volume[:2].numpy(), turns, axes=(2, 3)) for turns in (1, -1)]
    assert any(np.allclose(turned[:2].numpy(), one, atol=1e-5) for one in expected)


def test_zoom_makes_a_patient_larger():
    for axis, zooms in ((2, [1.25, 1.0]), (1, [1.0, 1.25])):
        wider = within_slices(ramp(axis), 0.0, np.array(zooms))[0]
        torch.testing.assert_close(wider, ramp(axis)[0] / 1.25)
    torch.testing.assert_close(along_axis(ramp(0), 1.25)[0], ramp(0)[0] / 1.25)


def test_nothing_counts_beyond_what_was_there():
    narrower = within_slices(ramp(2), 0.0, np.array([0.5, 1.0]))[-1]
    assert (narrower[..., 8:22] == 1).all() and narrower[..., :7].sum() + narrower[..., 23:].sum() == 0
    shorter = along_axis(ramp(0), 0.5)[-1]
    assert (shorter[2:6] == 1).all() and shorter[:2].sum() + shorter[6:].sum() == 0


def test_bending_moves_by_the_voxels_it_says():
    moves = displacements((20, 30), 2.0, np.random.default_rng(0))
    bent = within_slices(ramp(2), 0.0, np.ones(2), moves)[0, 0]
    expected = ramp(2)[0, 0] + moves[..., 0] * 15
    inside = expected.abs() < 14
    torch.testing.assert_close(bent[inside], expected[inside], atol=1e-4, rtol=0)
    assert 0.5 < (moves[..., 0].abs() * 15).max() < 4
    assert displacements((20, 30), 0.0, np.random.default_rng(0)) is None


def test_reshaping_keeps_straight_lines_of_every_slice_and_their_angles():
    """What rises evenly along i, or along j, does so afterwards, at one rate for both; slices have other rates, and move."""
    rates, moves = [], []
    for axis in (2, 1):
        changed = reshaped(ramp(axis), 1.1, 1.5, np.random.default_rng(4))[0, :, 4:-4, 4:-4]
        steps = changed.diff(dim=axis)
        torch.testing.assert_close(steps, steps[:, :1, :1].expand_as(steps), atol=1e-4, rtol=0)
        torch.testing.assert_close(changed.diff(dim=3 - axis), torch.zeros_like(changed.diff(dim=3 - axis)), atol=1e-4, rtol=0)
        rates.append(steps[:, 0, 0])
        moves.append(changed.mean(dim=(1, 2)))
    torch.testing.assert_close(rates[0], rates[1], atol=1e-4, rtol=0)
    assert len(set(rates[0].tolist())) == 8 and (rates[0].log().abs() < 1.6 * np.log(1.1)).all()
    assert all(0.2 < float(one.abs().max()) < 3 for one in moves)


def test_reshaping_sets_slices_apart_otherwise_and_none_where_bounds_are_none():
    still = reshaped(ramp(0), 1.0, 0.0, np.random.default_rng(4))
    torch.testing.assert_close(still, ramp(0), atol=1e-5, rtol=0)
    changed = reshaped(ramp(0, (40, 20, 30)), 1.2, 0.0, np.random.default_rng(4))
    heights = changed[0, :, 10, 15]
    steps = heights[changed[1, :, 10, 15] > 0].diff()
    assert (steps >= 0).all() and 0.6 < float(steps.median()) < 1.6 and float(steps.max() - steps.min()) > 0.05


def test_all_channels_change_alike_and_one_slice_survives():
    for slices in (1, 6):
        volume = torch.from_numpy(np.random.default_rng(0).random((3, slices, 16, 24)).astype(np.float32))
        volume[1] = 1 - volume[0]
        changed = deformed(volume, BENT, np.random.default_rng(1))
        assert changed.shape == volume.shape and not torch.allclose(changed[0], volume[0])
        torch.testing.assert_close(changed[1], 1 - changed[0])


def test_a_shorter_ct_ends_before_the_patient_and_its_plans_one_voxel_later():
    recipe = Recipe(model="resdose", structures=(), planning={"angles_deg": [0], "plans": [{}]})
    body = torch.zeros(3, 24, 24)
    body[:, 6:18, 4:20] = 1
    volume = torch.ones(len(recipe.channels) + 2, 3, 24, 24)
    volume[0] = torch.where(body > 0, 0.3, -1.0)
    before = volume.clone()
    shortened(volume, recipe, np.random.default_rng(0))
    lost = int((12 - (volume[0, 1, :, 12] > -1).sum()) / 2)
    assert 1 <= lost <= 4
    shows = torch.zeros(3, 24, 24, dtype=torch.bool)
    shows[:, 6 + lost : 18 - lost, 4 + lost : 20 - lost] = True
    assert torch.equal(volume[0] > -1, shows)
    assert torch.equal(volume[5:7, 0, 12], torch.nn.functional.pad(torch.ones(2, 18 - 2 * lost), (3 + lost, 3 + lost)))
    assert torch.equal(volume[[1, 2, 3, 4, 7, 8]], before[[1, 2, 3, 4, 7, 8]])
