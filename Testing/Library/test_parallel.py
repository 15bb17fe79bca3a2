"""Work on several threads, and where the system gives none."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Barrier

import pytest

from DosePredictLib.core import parallel
from DosePredictLib.core.parallel import in_threads


def denied(*_: object) -> int:
    raise RuntimeError("can't start new thread")


def stillborn(*_: object) -> int:
    """As a thread that ends for want of memory before it does anything."""
    return 0


def test_results_come_in_the_order_of_the_items_however_long_each_takes() -> None:
    assert in_threads(lambda n: time.sleep(0.02 / n) or n * n, [1, 2, 3, 4, 5], threads=3) == [1, 4, 9, 16, 25]


def test_several_items_are_worked_on_at_once() -> None:
    together = Barrier(4, timeout=10)
    assert sorted(in_threads(lambda _: together.wait(), range(4), threads=4)) == [0, 1, 2, 3]


def test_the_most_costly_begins_first() -> None:
    begun: list[int] = []
    in_threads(begun.append, [1, 3, 2], cost=lambda n: n, threads=1)
    assert begun == [3, 2, 1]


@pytest.mark.parametrize("start", [denied, stillborn])
def test_without_any_thread_the_work_is_done_all_the_same(start: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "start_new_thread", start)
    assert in_threads(str, [1, 2, 3], threads=3) == ["1", "2", "3"]


def test_an_error_reaches_the_caller_after_the_others_have_ended() -> None:
    ended: list[int] = []

    def fail_at_two(number: int) -> None:
        if number == 2:
            raise ValueError("two")
        ended.append(number)

    with pytest.raises(ValueError, match="two"):
        in_threads(fail_at_two, [1, 2, 3, 4], threads=2)
    assert sorted(ended) == [1, 3, 4]


def test_nothing_to_do_is_nothing() -> None:
    assert in_threads(str, []) == []
