"""Networks: tensors in, tensors out. A literal table of what can be built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .dosediff import DoseDiff
from .resdose import ResDose

NETWORKS: dict[str, type[nn.Module]] = {"dosediff": DoseDiff, "resdose": ResDose}


def build(model: str, network: Mapping[str, Any]) -> nn.Module:
    """The network ``model`` with the arguments of its recipe. Raises ValueError for an unknown id."""
    if model not in NETWORKS:
        raise ValueError(f"model {model!r} is not one of {sorted(NETWORKS)}")
    return NETWORKS[model](**network)
