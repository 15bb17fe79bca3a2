"""Networks: tensors in, tensors out. A literal table of what can be built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .addiff_dose import ADDiffDose
from .c3d import C3D
from .coarse_unet import CoarseUNet
from .diffdp import DiffDP
from .dmtp import DMTP
from .dosediff import DoseDiff
from .fluence_net import FluenceNet
from .resdose import ResDose
from .unet import UNet

NETWORKS: dict[str, type[nn.Module]] = {
    "addiff_dose": ADDiffDose,
    "c3d": C3D,
    "coarse_unet": CoarseUNet,
    "diffdp": DiffDP,
    "dmtp": DMTP,
    "dosediff": DoseDiff,
    "fluence_net": FluenceNet,
    "resdose": ResDose,
    "unet": UNet,
}


def build(model: str, network: Mapping[str, Any]) -> nn.Module:
    """The network ``model`` with the arguments of its recipe. Raises ValueError for an unknown id."""
    if model not in NETWORKS:
        raise ValueError(f"model {model!r} is not one of {sorted(NETWORKS)}")
    return NETWORKS[model](**network)
