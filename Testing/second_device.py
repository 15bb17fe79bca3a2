"""A second device that is none: it finds what would fail on a GPU where there is none.

Its tensors keep their values in the CPU's memory, and like those of a GPU refuse to meet tensors of the CPU, or to be read
by NumPy. It calls itself "meta", the one name beside "cpu" under which PyTorch looks for no hardware.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

SECOND = torch.device("meta")
MAY_MEET = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)  # both devices, as that is their purpose
INDEXES = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default)
READS = (torch.ops.aten._local_scalar_dense.default,)  # what is on the device as a number


class There(Tensor):
    """A tensor of the second device; ``held`` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        if held.dtype == torch.float64:
            raise TypeError("The second device knows no float64.")
        shape = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        tensor = Tensor._make_wrapper_subclass(cls, held.size(), device=SECOND, **shape)
        tensor.held = held
        return tensor

    def __getitem__(self, index: Any) -> Tensor:
        """PyTorch makes a tensor of a list by itself, where nobody sees it."""
        return super().__getitem__(torch.tensor(index) if isinstance(index, list) else index)

    def numpy(self, **_: Any) -> Any:
        raise TypeError("NumPy reads no tensor of the second device.")

    def tolist(self) -> Any:
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        return computed(function, arguments, options or {})


class SecondDevice(TorchDispatchMode):
    """Under which tensors can be brought there."""

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        return computed(function, arguments, options or {})


def computed(function: Any, arguments: Any, options: dict[str, Any]) -> Any:
    """Raises RuntimeError where tensors of both devices meet; single numbers may, as with a GPU."""
    tensors = [one for one in tree_leaves((arguments, options)) if isinstance(one, Tensor)]
    there = [one for one in tensors if isinstance(one, There)]
    if any(one.device == SECOND and not isinstance(one, There) for one in tensors):
        raise NotImplementedError(f"{function}: a tensor was made on the second device where nobody sees it.")
    apart = any(one.ndim and not isinstance(one, There) for one in tensors)
    if there and apart and function not in MAY_MEET and not (function in INDEXES and isinstance(arguments[0], There)):
        raise RuntimeError(f"{function} was given tensors of two devices.")
    asked = options.get("device")
    if asked is not None:
        options = options | {"device": torch.device("cpu")}
    found = function(*tree_map(held, arguments), **tree_map(held, options))
    stays = bool(there) if asked is None else torch.device(asked) == SECOND
    if not stays or function in READS:
        return found
    known = {id(one.held): one for one in there}  # what is changed in place is still the same tensor
    return tree_map(lambda one: known.get(id(one), There(one)) if isinstance(one, Tensor) else one, found)


def held(value: Any) -> Any:
    return value.held if isinstance(value, There) else value


@contextmanager
def second_device() -> Iterator[torch.device]:
    """Without what PyTorch has for real devices only: automatic precision, inference mode, numbers made on the device."""
    made = torch.tensor
    replaced = {
        "autocast": lambda *_, **__: nullcontext(),
        "inference_mode": torch.no_grad,
        "tensor": lambda data, device="cpu", **options: made(data, **options).to(device),
    }
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with mock.patch.multiple(torch, **replaced), SecondDevice():
            yield SECOND
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapped)
