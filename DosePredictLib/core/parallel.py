"""Independent work on as many threads as there are processors: NumPy, SciPy and SimpleITK compute outside Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], cost: Callable[[Item], float] = lambda _: 0
) -> list[Result]:
    """``function`` of each item, in their order. cost: of an item; the most costly begin first."""
    known = list(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = {n: pool.submit(function, known[n]) for n in sorted(range(len(known)), key=lambda n: -cost(known[n]))}
        return [started[n].result() for n in range(len(known))]
