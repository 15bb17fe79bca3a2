"""The coarse network: what it sees against shares counted by hand, what it adds against a ramp."""

from __future__ import annotations

import numpy as np
import torch

from DosePredictLib.models import build
from DosePredictLib.models.coarse_unet import CoarseUNet

SIZE = {"channels": 16, "widths": (16, 16), "plan": 13}


def network() -> CoarseUNet:
    torch.manual_seed(0)
    return build("coarse_unet", SIZE)


def test_it_starts_with_the_plan():
    given = torch.randn(1, 16, 8, 16, 16)
    assert torch.equal(network()(given), given[:, 13:14] - 1)


def test_it_sees_what_share_of_a_voxel_a_structure_fills_and_not_how_far_it_is():
    given = -torch.ones(1, 16, 2, 2, 4)
    given[:, 5, :, :, 0] = 0.02  # half of the first voxel's eight, none of the second's
    given[:, 11] = 3.0
    given[:, 0, :, 0] = 0.4
    seen = network().seen(given)[0, :, 0, 0]
    np.testing.assert_allclose(seen[[2, 5, 11, 0]], [[-0.5, -0.5], [0.0, -0.5], [0.5, 0.5], [-0.3, -0.3]], atol=1e-6)
    farther = given.clone()
    farther[:, 2:12] *= 7
    assert torch.equal(network().seen(farther), network().seen(given))


def test_what_it_adds_is_linear_between_voxels_of_half_the_resolution():
    coarse = network()
    slope = torch.arange(8.0).expand(1, 1, 4, 8, 8)
    coarse.correction.forward = lambda seen: slope
    given = torch.zeros(1, 16, 8, 16, 16)
    added = coarse(given) + 1
    expected = (torch.arange(16.0) - 0.5) / 2
    torch.testing.assert_close(added[0, 0, 3, 5, 1:-1], expected[1:-1])
    torch.testing.assert_close(coarse.at_half(coarse.seen(given)) + 1, slope)
