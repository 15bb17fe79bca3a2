"""DoseDiff's network: what it must learn, and what must not change its answer."""

from __future__ import annotations

import pytest
import torch

from DosePredictLib.diffusion.gaussian import GaussianDiffusion, linear_betas
from DosePredictLib.models import build
from DosePredictLib.models.dosediff import DoseDiff, FusionFormer
from DosePredictLib.samplers.ddim import ddim

SMALL = {"distance_maps": 3, "widths": (16, 16), "time_width": 16}


def small_network(seed: int = 0, **changes) -> DoseDiff:
    torch.manual_seed(seed)
    network = DoseDiff(**{**SMALL, **changes})
    torch.nn.init.normal_(network.head[2].weight, std=0.1)  # the head starts as zero, which would hide every difference
    return network.eval()


def inputs(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, 1, 16, 24, generator=generator),
        torch.arange(batch) * 300,
        torch.randn(batch, 4, 16, 24, generator=generator),
    )


@torch.no_grad()
def test_masks_hide_distances_and_not_ct_or_prescription():
    y, t, condition = inputs()
    nearer = torch.cat([condition[:, :2], condition[:, 2:] * 0.5], dim=1)
    for masks in (True, False):
        network = small_network(masks=masks)
        assert torch.equal(network(y, t, nearer), network(y, t, condition)) == masks
        assert not torch.equal(network(y, t, condition * 0.5), network(y, t, condition))


def test_an_untrained_network_predicts_nothing():
    y, t, condition = inputs()
    assert not DoseDiff(**SMALL)(y, t, condition).any()


@torch.no_grad()
def test_a_slice_does_not_depend_on_its_batch():
    network, (y, t, condition) = small_network(), inputs()
    together = network(y, t, condition)
    alone = torch.cat([network(y[n : n + 1], t[n : n + 1], condition[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("which", ["dose", "time", "CT", "distance map"])
def test_every_input_changes_the_output(which):
    network, (y, t, condition) = small_network(), inputs()
    for block in network.modules():  # the zero start of residual branches hides the time embedding
        if isinstance(block, torch.nn.Conv2d) and not block.weight.any():
            torch.nn.init.normal_(block.weight, std=0.1)
    before = network(y, t, condition)
    changed = {
        "dose": (y + 1, t, condition),
        "time": (y, t + 1, condition),
        "CT": (y, t, condition + torch.tensor([1.0, 0, 0, 0])[:, None, None]),
        "distance map": (y, t, condition + torch.tensor([0, 0, 0, 1.0])[:, None, None]),
    }[which]
    assert not torch.allclose(network(*changed), before, atol=1e-4)


@torch.no_grad()
def test_fusion_carries_the_dose_to_where_ct_and_distance_maps_agree():
    """Far tokens exchange information: one changed token changes all others (Eq. 12 attends to every patch)."""
    torch.manual_seed(0)
    fusion = FusionFormer(8, patch=2, width=16)
    ct, sdm, dose = (torch.randn(1, 8, 4, 6) for _ in range(3))
    changed = dose.clone()
    changed[..., :2, :2] += 1
    difference = (fusion(ct, sdm, changed) - fusion(ct, sdm, dose)).abs().amax(dim=(0, 1))
    assert (difference > 1e-6).all()


@torch.no_grad()
def test_patches_are_put_back_where_they_were():
    fusion = FusionFormer(5, patch=2)
    x = torch.randn(2, 5, 4, 6)
    torch.testing.assert_close(fusion._image(fusion._patches(x), x), x)


def test_a_few_slices_are_learned_by_heart():
    """Trained on four doses alone, 8 steps of DDIM give these doses back for their conditions."""
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    centres = torch.tensor([[-0.4, -0.4], [0.4, -0.4], [-0.4, 0.4], [0.4, 0.4]])[:, :, None, None]
    distance = 0.5 - ((rows - centres[:, :1]) ** 2 + (columns - centres[:, 1:]) ** 2).sqrt()
    dose = (distance * 4).clamp(-1, 1)
    condition = torch.cat([torch.zeros_like(distance), distance.expand(-1, 3, -1, -1)], dim=1)
    diffusion = GaussianDiffusion(linear_betas(), "v")
    network = DoseDiff(distance_maps=3, widths=(32, 32), time_width=32).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for _ in range(200):
        t, noise = torch.randint(1000, (16,)), torch.randn(16, 1, 16, 16)
        x_0, given = dose.repeat(4, 1, 1, 1), condition.repeat(4, 1, 1, 1)
        loss = (network(diffusion.add_noise(x_0, noise, t), t, given) - diffusion.target(x_0, noise, t)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = ddim(lambda x, t: diffusion.clean(network(x, t, condition), x, t), torch.randn(4, 1, 16, 16), diffusion, steps=8)
    assert (found - dose).abs().mean() < 0.15  # of a range of 2; a constant guess is wrong by 0.6
    assert (found - dose.roll(1, 0)).abs().mean() > 0.3


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="not one of"):
        build("dosedif", {})
