"""Augmented slices must mean what they show."""

from __future__ import annotations

import numpy as np
import torch

from DosePredictLib.core import Recipe
from DosePredictLib.training.augmentation import Augmentation, augment, dropped, mirrored, warped

RECIPE = Recipe(model="dosediff")
CHANNELS = RECIPE.channels
NOTHING = Augmentation(flip=0, rotation=0, zoom=1, shift_hu=0, drop=0)


def batch(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, len(CHANNELS) + 1, 32, 48, generator=torch.Generator().manual_seed(seed))


def test_a_mirror_image_reverses_columns_and_swaps_left_with_right_organs():
    image = batch()[0]
    mirror = mirrored(image, CHANNELS)
    left, right, cord = (CHANNELS.index(f"SDM:{name}") for name in ("Parotid_L", "Parotid_R", "SpinalCord"))
    assert torch.equal(mirror[left], image[right].flip(-1))
    assert torch.equal(mirror[cord], image[cord].flip(-1))
    assert torch.equal(mirror[-1], image[-1].flip(-1))
    assert torch.equal(mirrored(mirror, CHANNELS), image)


def test_no_augmentation_changes_nothing():
    torch.testing.assert_close(augment(batch(), RECIPE, NOTHING, np.random.default_rng(0)), batch(), atol=1e-4, rtol=0)


def test_rotation_turns_by_the_angle_in_square_pixels():
    """A point at 10 pixels from the centre moves along the circle, not along an ellipse."""
    image = torch.zeros(1, 1, 65, 97)
    image[0, 0, 32, 48 + 20] = 1
    rng = np.random.default_rng(3)
    angle = np.random.default_rng(3).uniform(-30, 30, 1)[0]
    turned = warped(image, Augmentation(rotation=30, zoom=1), rng)[0, 0]
    row, column = np.unravel_index(int(turned.argmax()), turned.shape)
    assert abs(np.hypot(row - 32, column - 48) - 20) < 1
    assert abs(abs(np.degrees(np.arctan2(row - 32, column - 48))) - abs(angle)) < 3


def test_dose_and_structures_move_together():
    image = batch()
    image[:, -1] = image[:, 3]
    changed = augment(image, RECIPE, Augmentation(flip=0, rotation=20, zoom=1.3, shift_hu=0, drop=0), np.random.default_rng(1))
    torch.testing.assert_close(changed[:, -1], changed[:, 3])
    assert not torch.allclose(changed[:, 3], image[:, 3], atol=0.1)


def test_zoom_stands_for_another_voxel_size_and_leaves_distances_alone():
    image = torch.full((2, len(CHANNELS) + 1, 16, 16), -0.7)
    changed = augment(
        image.clone(), RECIPE, Augmentation(flip=0, rotation=0, zoom=1.5, shift_hu=0, drop=0), np.random.default_rng(0)
    )
    torch.testing.assert_close(changed, image)


def test_a_dropped_organ_is_far_away_and_targets_and_dose_stay():
    changed = dropped(batch().clone(), RECIPE, 1.0, np.random.default_rng(0))
    first_organ = CHANNELS.index("SDM:Brainstem")
    assert (changed[:, first_organ:-1] == RECIPE.missing_distance_mm / RECIPE.distance_unit_mm).all()
    assert torch.equal(changed[:, :first_organ], batch()[:, :first_organ])
    assert torch.equal(changed[:, -1], batch()[:, -1])


def test_a_shift_of_hu_leaves_air_outside_the_body_as_it_is():
    image = torch.zeros(1, len(CHANNELS) + 1, 8, 8)
    image[:, 0, :4] = -1
    changed = augment(
        image.clone(), RECIPE, Augmentation(flip=0, rotation=0, zoom=1, shift_hu=100, drop=0), np.random.default_rng(5)
    )
    assert (changed[:, 0, :4] == -1).all()
    assert abs(float(changed[0, 0, 6, 6])) <= 100 * 2 / 2500 and float(changed[0, 0, 6, 6]) != 0
