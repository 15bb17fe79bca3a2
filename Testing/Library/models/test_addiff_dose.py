"""ADDiff-Dose's networks: what they must look at, what must not change their answer, and what they refuse to be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from DosePredictLib.inference.latentwise import context_of
from DosePredictLib.models.addiff_dose import ADDiffDose, Context
from DosePredictLib.training.settings import read_recipe

SMALL = {
    "channels": 12, "techniques": ("IMRT", "VMAT"), "sites": ("Head and neck", "Lung"), "latent": 4, "vae_widths": (8, 8),
    "condition_widths": (16, 16), "widths": (16, 16, 16), "context_width": 16, "heads": 2,
}  # fmt: skip


def small_network(**changes) -> ADDiffDose:
    """Random where a network starts as zero, which would hide every difference."""
    torch.manual_seed(0)
    network = ADDiffDose(**{**SMALL, **changes})
    network.scale.fill_(1.0)
    starts_as_zero = [network.unet.answer, *(attend.found.out_proj for attend in network.unet.attend)]
    for part in starts_as_zero:
        torch.nn.init.normal_(part.weight, std=0.3)
    return network.eval()


def inputs(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Context]:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(batch, 4, 4, 4, 8, generator=generator)
    condition = torch.randn(batch, 12, 16, 16, 32, generator=generator)
    levels = torch.tensor([[70.0, 63.0, 56.0], [60.0, 0.0, 0.0]])[:batch]
    return (
        z,
        torch.tensor([10, 900])[:batch],
        condition,
        Context(torch.tensor([0, 1])[:batch], torch.tensor([1, 0])[:batch], levels),
    )


@torch.no_grad()
def answer(network: ADDiffDose, z, t, condition, context) -> torch.Tensor:
    return network(z, t, network.encode(condition, context))


def test_an_untrained_network_predicts_nothing() -> None:
    z, t, condition, context = inputs()
    assert not answer(ADDiffDose(**SMALL), z, t, condition, context).any()


def test_a_patient_does_not_depend_on_the_batch() -> None:
    network, (z, t, condition, context) = small_network(), inputs()
    together = answer(network, z, t, condition, context)
    first = answer(network, z[:1], t[:1], condition[:1], Context(*(part[:1] for part in context)))
    torch.testing.assert_close(together[:1], first, atol=1e-5, rtol=0)


@pytest.mark.parametrize("part", ["technique", "site", "levels_gy"])
def test_every_part_of_the_context_is_heard(part: str) -> None:
    network, (z, t, condition, context) = small_network(), inputs()
    other = context._replace(**{part: 1 - getattr(context, part)})
    assert (answer(network, z, t, condition, context) - answer(network, z, t, condition, other)).abs().max() > 1e-3


def test_noise_time_and_every_channel_are_seen() -> None:
    network, (z, t, condition, context) = small_network(), inputs()
    usual = answer(network, z, t, condition, context)
    for changed in ((z + 0.1, t, condition), (z, t + 50, condition)):
        assert (answer(network, *changed, context) - usual).abs().max() > 1e-4
    for channel in range(12):
        other = condition.clone()
        other[:, channel] += 0.5
        assert (answer(network, z, t, other, context) - usual).abs().max() > 1e-5


def test_with_masks_only_the_inside_of_structures_is_seen() -> None:
    z, t, condition, context = inputs()
    closer = torch.cat([condition[:, :2], condition[:, 2:] * 0.5], dim=1)
    for masks in (True, False):
        network = small_network(masks=masks)
        same = torch.equal(answer(network, z, t, condition, context), answer(network, z, t, closer, context))
        assert same == masks


@torch.no_grad()
def test_latents_have_the_scale_that_was_measured_and_lead_back() -> None:
    network, dose = small_network(), torch.randn(1, 1, 16, 16, 32)
    mean, _ = network.vae.posterior(dose)
    network.center.copy_(mean.mean(dim=(0, 2, 3, 4)))
    network.scale.copy_(mean.std(dim=(0, 2, 3, 4)))
    z = network.to_latent(dose)
    assert z.shape == (1, 4, 4, 4, 8)
    torch.testing.assert_close(z.mean(dim=(0, 2, 3, 4)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(dim=(0, 2, 3, 4)), torch.ones(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(network.to_dose(z), network.vae.decoder(mean), atol=1e-5, rtol=1e-4)


def test_the_context_holds_the_levels_in_gray() -> None:
    condition = torch.zeros(12, 4, 4, 4)
    condition[2:] = -1
    for slot, share in enumerate((1.0, 0.8)):
        condition[1, slot], condition[2 + slot, slot] = share, 1.0
    assert context_of(condition, 60.0).levels_gy.tolist() == [[60.0, pytest.approx(48.0), 0.0]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": (32, 32, 24)}, "32x32x24 voxels has no three sides that are multiples of 16"),
        ({"patch": (32, 32)}, "no three sides"),
        ({"patch": (32, 32, 32), "overlap": 32}, "overlap of 32 voxels"),
        ({"patch": (32, 32, 32), "overlap": 6}, "no multiple of 4"),
    ],
)
def test_patches_that_cannot_be_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ADDiffDose(**{**SMALL, **changes})


def test_the_shipped_recipe_stays_small(repository: Path) -> None:
    """Half precision, 15 MB at most."""
    recipe = read_recipe(repository / "Resources/Recipes/addiff_dose.toml").recipe
    with torch.device("meta"):
        network = ADDiffDose(**recipe.network)
    assert len(recipe.channels) == recipe.network["channels"]
    assert sum(2 * value.numel() for value in network.state_dict().values()) < 15e6
    assert recipe.pad_multiple % network.multiple == 0
