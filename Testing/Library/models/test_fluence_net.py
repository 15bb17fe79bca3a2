"""The network of fluence: nothing to begin with, no field unlike another, every field told of all."""

from __future__ import annotations

import torch
from torch import nn

from DosePredictLib.models import build
from DosePredictLib.models.fluence_net import FluenceNet

SIZE = {"regions": 5, "plans": 2, "widths": (16, 16), "stages": 2}


def network(*, answering: bool = True) -> FluenceNet:
    torch.manual_seed(0)
    made = build("fluence_net", SIZE)
    if answering:
        for stage in made.members[0]:
            nn.init.normal_(stage.answer.weight)
    return made


def maps() -> torch.Tensor:
    return torch.randn(9, 17, 8, 16, generator=torch.Generator().manual_seed(1))


def test_it_begins_by_changing_nothing():
    assert not network(answering=False).members[0][0](maps()).any()


def test_a_patient_turned_to_the_next_field_is_answered_alike():
    stage = network().members[0][0]
    with torch.inference_mode():
        torch.testing.assert_close(stage(maps().roll(2, 0)), stage(maps()).roll(2, 0), atol=1e-5, rtol=1e-4)


def test_every_field_is_told_of_every_other():
    stage, given = network().members[0][1], maps().requires_grad_()
    stage(given)[3].abs().sum().backward()
    assert given.grad.abs().sum(dim=(1, 2, 3)).gt(0).all()


def test_dropout_is_for_training_alone():
    torch.manual_seed(0)
    stage = build("fluence_net", SIZE | {"dropout": 0.5}).members[0][0]
    nn.init.normal_(stage.answer.weight)
    assert not torch.equal(stage(maps()), stage(maps()))
    stage.eval()
    assert torch.equal(stage(maps()), stage(maps()))


def test_members_may_differ_in_width():
    made = build("fluence_net", SIZE | {"widths": [[16, 32], [8, 16], [8, 16]]})
    assert [stages[0].shrink.weight.shape[:2] for stages in made.members] == [(32, 16), (16, 8), (16, 8)]
    alike = build("fluence_net", SIZE | {"widths": [8, 16], "members": 2})
    assert [stages[1].shrink.weight.shape[:2] for stages in alike.members] == [(16, 8), (16, 8)]
