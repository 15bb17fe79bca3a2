"""Training on several processes, as ``torchrun`` starts them: each computes its share of every step, and gradients are averaged.

What a step is does not depend on the number of processes: a recipe means the same training on one as on many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..core import InputError

LONGEST_WAIT = timedelta(hours=6)  # while the first process prepares all patients

T = TypeVar("T", Tensor, Sequence[int])


@contextmanager
def processes() -> Iterator[None]:
    """This process joins the others that ``torchrun`` started, if it did; each has a GPU of its own where there are GPUs."""
    if not dist.is_torchelastic_launched():
        yield
        return
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if gpu else "gloo", timeout=LONGEST_WAIT)
    try:
        yield
        dist.barrier()  # none leaves while another may still speak to it
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def leads() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


@contextmanager
def leader_first() -> Iterator[None]:
    """The body, in the leading process before all others: what it leaves on disk, they find."""
    if not leads():
        dist.barrier()
    yield
    if leads() and count() > 1:
        dist.barrier()


def share(parts: T) -> T:
    """Those of the parts of a step that are this process's own; the shares are equal."""
    if len(parts) % count():
        raise InputError(
            f"A step of {len(parts)} cannot be shared equally by {count()} processes;"
            " change the recipe's batch (slices) or patients (volumes)."
        )
    return parts[rank() :: count()]


def average_gradients(network: nn.Module) -> None:
    """Each gradient becomes its mean over the processes."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(together)
    parts = (together / count()).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def mean(value: Tensor) -> Tensor:
    """Of a value without gradient over the processes."""
    value = value.detach().clone()
    if count() > 1:
        dist.all_reduce(value)
    return value / count()
