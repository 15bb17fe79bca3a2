"""Turned copies of patients: everything moves together, nothing that counts is lost."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.training.dataset import Patient
from DosePredictLib.training.turned import TurnedCopies, turned

SHAPE = (2, 48, 64)  # slices, rows, columns


def blob(x: float, y: float, width: float = 3.0) -> np.ndarray:
    """A Gaussian at (x, y) voxels from the middle of each slice."""
    rows, columns = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in SHAPE[1:]), indexing="ij")
    return np.broadcast_to(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)), SHAPE)


def patient(x: float, y: float) -> Patient:
    channels = np.stack([blob(x, y), blob(0, 0)], axis=1).astype(np.float16)
    return Patient("p1", channels, blob(x, y).astype(np.float16), blob(0, 0, 8.0) > 0.3, highest_gy=60.0)


def centre(image: np.ndarray) -> np.ndarray:
    """(x, y) of the middle of the blob in each slice, in voxels."""
    image = image.astype(float) ** 4  # without its foot, which a repeated edge would lengthen
    rows, columns = np.meshgrid(*(np.arange(n) for n in image.shape[1:]), indexing="ij")
    mass = image.sum(axis=(1, 2))
    return np.stack([(image * axis).sum(axis=(1, 2)) / mass for axis in (columns, rows)])


@pytest.mark.parametrize("degrees", [40, 80, 160, 320])
def test_what_lies_beside_the_axis_is_carried_round_it(degrees):
    copy = turned(patient(8, 3), degrees, multiple=16)
    found = (centre(copy.dose) - centre(copy.channels[:, 1])).T
    angle = np.radians(degrees)
    expected = [8 * np.cos(angle) - 3 * np.sin(angle), 8 * np.sin(angle) + 3 * np.cos(angle)]
    np.testing.assert_allclose(found, [expected, expected], atol=0.1)


def test_channels_dose_and_what_counts_stay_together():
    before = patient(6, -4)
    after = turned(before, 120, multiple=16)
    np.testing.assert_array_equal(after.dose, after.channels[:, 0])
    assert after.counts.sum() == pytest.approx(before.counts.sum(), rel=0.02)
    assert after.dose[after.counts].astype(float).mean() == pytest.approx(
        before.dose[before.counts].astype(float).mean(), rel=0.02
    )
    assert after.highest_gy == 60.0


def test_nine_turns_of_forty_degrees_lead_back():
    after = patient(5, 5)
    for _ in range(9):
        after = turned(after, 40, multiple=16)
    assert after.dose.astype(float).max() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose((centre(after.dose) - centre(after.channels[:, 1])).T, [[5, 5]] * 2, atol=0.2)


def test_the_box_of_a_copy_fits_what_counts_and_the_network():
    copy = turned(patient(0, 0), 40, multiple=16)
    assert all(side % 16 == 0 for side in copy.dose.shape[1:])
    assert copy.dose.shape[1:] == (32, 32)  # 25 voxels count, across


def test_copies_are_made_once_and_drawn_as_often_as_they_should_be(tmp_path):
    copies = TurnedCopies(tmp_path, (40.0, 80.0), 16, share=0.5)
    one = patient(5, 0)
    drawn = [copies.drawn(one, np.random.default_rng(seed)).dose.astype(float) for seed in range(60)]
    kinds = [next(n for n, other in enumerate(drawn) if np.array_equal(dose, other)) for dose in drawn]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p1@40.npz", "p1@80.npz"]
    itself = next(n for n, dose in enumerate(drawn) if np.array_equal(dose, one.dose))
    assert len(set(kinds)) == 3 and min(kinds.count(kind) for kind in set(kinds)) > 8
    assert 20 < kinds.count(itself) < 40
