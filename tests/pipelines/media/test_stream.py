"""Work in parallel: in order, with few results waiting, and with the fault of an item at its place."""

import threading
from collections.abc import Iterator

import pytest

from pipelines.media.stream import AHEAD, WORKERS, in_order


def test_results_come_in_order_and_few_wait() -> None:
    begun = 0

    def items() -> Iterator[int]:
        nonlocal begun
        for n in range(200):
            begun = n + 1
            yield n

    for place, made in enumerate(in_order(lambda n: n * n, items())):
        assert made == place * place
        assert begun - place <= AHEAD + 1
    assert begun == 200


def test_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(WORKERS, timeout=10)
    assert list(in_order(lambda n: together.wait() >= 0, range(WORKERS))) == [True] * WORKERS


def test_a_fault_comes_out_at_its_place_and_ends_the_work() -> None:
    found = in_order(lambda n: 1 // (5 - n), range(100))
    assert [next(found) for _ in range(5)] == [0, 0, 0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
