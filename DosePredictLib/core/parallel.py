"""Independent work on as many threads as there are processors: NumPy, SciPy and SimpleITK compute outside Python's lock."""

from __future__ import annotations

import os
from _thread import LockType, allocate_lock, start_new_thread
from collections.abc import Callable, Iterable
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

    Raises the error of the first item that has one, and MemoryError where a thread ended for want of memory. The caller works,
    too, so that nothing waits for a thread that never comes: where memory is short, one may be denied, or end before its first
    line, for which ``threading.Thread.start`` waits for ever.
    """
    known = list(items)
    results: list[list[Result]] = [[] for _ in known]
    errors: list[BaseException] = [MemoryError()] * len(known)  # unless there is a result, or another error
    waiting = iter(sorted(range(len(known)), key=lambda number: -cost(known[number])))
    begun: list[LockType] = []

    def work() -> None:
        for number in waiting:
            try:
                results[number].append(function(known[number]))
            except BaseException as error:  # the caller raises it
                errors[number] = error

    def help_out() -> None:
        working = allocate_lock()
        with working:
            begun.append(working)
            work()

    for _ in range(min(threads, len(known)) - 1):
        with suppress(RuntimeError):
            start_new_thread(help_out, ())
    work()
    for working in tuple(begun):
        working.acquire()
    return [_only(result, error) for result, error in zip(results, errors, strict=True)]


def _only(result: list[Result], error: BaseException) -> Result:
    if not result:
        raise error
    return result[0]
