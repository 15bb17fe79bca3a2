"""Independent work on as many threads as there are processors: NumPy, SciPy and SimpleITK compute outside Python's lock."""

from __future__ import annotations

import os
from _thread import start_new_thread
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
PROCESSORS = os.cpu_count() or 1


def in_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    cost: Callable[[Item], float] = lambda _: 0,
    threads: int = PROCESSORS,
) -> list[Result]:
    """``function`` of each item, in their order. cost: of an item; the most costly begin first.

    The caller works, too, so that nothing waits for a thread that never comes: where memory is short, one may be denied, or
    end before its first line, for which ``threading.Thread.start`` waits for ever.
    """
    known = list(items)
    results: list[Future[Result]] = [Future() for _ in known]
    waiting = iter(sorted(range(len(known)), key=lambda number: -cost(known[number])))

    def work() -> None:
        for number in waiting:
            try:
                results[number].set_result(function(known[number]))
            except BaseException as error:  # whoever asks for the result gets it
                results[number].set_exception(error)

    for _ in range(min(threads, len(known)) - 1):
        with suppress(RuntimeError):
            start_new_thread(work, ())
    work()
    return [result.result() for result in results]
