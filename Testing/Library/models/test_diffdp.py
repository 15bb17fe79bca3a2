"""DiffDP's network: what it must learn, what it must look at, and what must not change its answer."""

from __future__ import annotations

import pytest
import torch

from DosePredictLib.diffusion.gaussian import GaussianDiffusion, linear_betas
from DosePredictLib.models.diffdp import ADDED, Attention, DiffDP, noise_angle
from DosePredictLib.samplers.ddim import ddim

SMALL = {"channels": 5, "widths": (16, 16, 16, 16), "noise_width": 16}


def small_network(**changes) -> DiffDP:
    """Random where a network starts as zero, which would hide every difference."""
    torch.manual_seed(0)
    network = DiffDP(**{**SMALL, **changes})
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d) and not part.weight.any():
            torch.nn.init.normal_(part.weight, std=0.2)
    return network.eval()


def inputs(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    y, condition = (torch.randn(batch, channels, 16, 24, generator=generator) for channels in (1, 5))
    return y, torch.linspace(0.1, 0.9, batch), condition


def test_an_untrained_network_predicts_nothing():
    assert not DiffDP(**SMALL)(*inputs()).any()


@torch.no_grad()
def test_a_slice_does_not_depend_on_its_batch():
    network, (y, gamma, condition) = small_network(), inputs()
    together = network(y, gamma, condition)
    alone = torch.cat([network(y[n : n + 1], gamma[n : n + 1], condition[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("which", ["dose", "noise intensity", "CT", "mask"])
def test_every_input_changes_the_output(which, guided):
    network, (y, gamma, condition) = small_network(guided=guided), inputs()
    ct, mask = torch.eye(5)[[0, 4]][:, :, None, None]
    changed = {
        "dose": (y + 1, gamma, condition),
        "noise intensity": (y, gamma * 0.9, condition),
        "CT": (y, gamma, condition + ct),
        "mask": (y, gamma, condition + 9 * mask),
    }[which]
    assert not torch.allclose(network(*changed), network(y, gamma, condition), atol=1e-3)


@torch.no_grad()
def test_masks_hide_distances_and_not_ct_or_prescription():
    y, gamma, condition = inputs()
    nearer = torch.cat([condition[:, :2], condition[:, 2:] * 0.5], dim=1)
    for masks in (True, False):
        network = small_network(masks=masks)
        assert torch.equal(network(y, gamma, nearer), network(y, gamma, condition)) == masks
    assert not torch.equal(small_network()(y, gamma, condition * 0.5), small_network()(y, gamma, condition))


@torch.no_grad()
def test_features_made_once_give_the_answer_of_features_made_anew():
    network, (y, gamma, condition) = small_network(), inputs()
    assert torch.equal(network(y, gamma, network.encode(condition)), network(y, gamma, condition))


@torch.no_grad()
def test_the_noise_and_the_estimate_need_the_features_of_every_level():
    network, (y, gamma, condition) = small_network(), inputs()
    features = network.encode(condition)
    noise, estimate = network(y, gamma, features), network.estimate(features)
    for level in range(len(features)):
        changed = [f + torch.randn_like(f) if number == level else f for number, f in enumerate(features)]
        assert not torch.allclose(network(y, gamma, changed), noise, atol=1e-3)
        assert not torch.allclose(network.estimate(changed), estimate, atol=1e-3)


def test_without_structure_encoder_there_is_no_estimate():
    network, (_, _, condition) = small_network(guided=False), inputs()
    assert not any(name.startswith(("structures", "noise.cross")) for name in network.state_dict())
    with pytest.raises(ValueError, match="no estimate"):
        network.estimate(network.encode(condition))


def test_the_papers_network_adds_at_three_levels_attends_at_three_and_ends_at_a_sixteenth():
    with torch.device("meta"):
        network = DiffDP(channels=6, widths=(64, 128, 256, 512, 512))
        features = network.encode(torch.zeros(1, 6, 256, 256))
    assert [f.shape[-1] for f in features] == [256, 128, 64, 32, 16, 16]
    assert len(network.noise.cross) == len(features) - ADDED == 3
    assert len(network.noise.decoder) == 5


@torch.no_grad()
def test_attention_finds_the_others_of_the_same_kind():
    """One pixel of x is like one of the others: with sharp queries it gets that one's value, wherever it lies."""
    attention = Attention(4, heads=1)
    attention.norm_x = attention.norm_others = torch.nn.Identity()
    identity = torch.eye(4)[:, :, None, None]
    for part, weight in ((attention.query, 200 * identity), (attention.key_value, torch.cat([identity, 3 * identity]))):
        part.weight.copy_(weight)
        part.bias.zero_()
    attention.out.weight.copy_(identity)
    others = torch.eye(4).reshape(1, 4, 2, 2)  # each pixel of its own kind
    x = torch.eye(4)[:, [2, 0, 3, 1]].reshape(1, 4, 2, 2)
    torch.testing.assert_close(attention(x, others), 4 * x)


def test_the_noise_angle_is_that_of_signal_and_noise():
    angle = noise_angle(torch.tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(angle, torch.tensor([0.0, 500.0, 1000.0]))
    of_steps = noise_angle(torch.cumprod(1 - linear_betas(), dim=0))
    assert (of_steps.diff() > 0.04).all()  # no two of a thousand steps look the same


def four_doses() -> tuple[torch.Tensor, torch.Tensor]:
    """Four (dose, condition), (4, 1 and 5, 16, 16): a disc of dose around a mask that lies elsewhere in each."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    centres = torch.tensor([[-0.4, -0.4], [0.4, -0.4], [-0.4, 0.4], [0.4, 0.4]])[:, :, None, None]
    distance = 0.5 - ((rows - centres[:, :1]) ** 2 + (columns - centres[:, 1:]) ** 2).sqrt()
    return (distance * 4).clamp(-1, 1), torch.cat([torch.zeros(4, 2, 16, 16), distance.expand(-1, 3, -1, -1)], dim=1)


def learn(network: DiffDP, steps: int, loss) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


def test_a_few_slices_are_learned_by_heart_first_by_the_encoder_then_by_the_diffusion():
    """Trained on four doses alone, both stages give these doses back for their masks."""
    torch.manual_seed(0)
    dose, condition = four_doses()
    network = DiffDP(channels=5, widths=(24, 24, 24), noise_width=24)
    learn(network, 60, lambda: (network.estimate(network.encode(condition)) - dose).abs().mean())
    estimate = network.estimate(network.encode(condition))
    assert (estimate - dose).abs().mean() < 0.1  # of a range of 2; a constant guess is wrong by 0.6

    diffusion = GaussianDiffusion(linear_betas(), "v", "gamma")

    def noise_loss() -> torch.Tensor:
        t, noise = torch.randint(1000, (8,)), torch.randn(8, 1, 16, 16)
        x_0, given = dose.repeat(2, 1, 1, 1), condition.repeat(2, 1, 1, 1)
        output = network(diffusion.add_noise(x_0, noise, t), diffusion.told(t), given)
        return (output - diffusion.target(x_0, noise, t)).abs().mean()

    learn(network, 120, noise_loss)
    with torch.no_grad():
        features = network.encode(condition)
        found = ddim(
            lambda x, t: diffusion.clean(network(x, diffusion.told(t), features), x, t),
            torch.randn(4, 1, 16, 16),
            diffusion,
            steps=8,
        )
    assert (found - dose).abs().mean() < 0.15
    assert (found - dose.roll(1, 0)).abs().mean() > 0.3
