"""Independent parts of one computation side by side: numpy, scipy and torch let go of Python's lock while they work."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")
MOST = 4
"""Each part has arrays of its own, so more at once than this would take memory rather than time away."""


def side_by_side(work: Callable[[A], B], parts: Iterable[A]) -> Iterator[B]:
    """`work` of each part, in the order of the parts; as many at once as torch may use threads (OMP_NUM_THREADS)."""
    threads = min(MOST, torch.get_num_threads())
    if threads == 1:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, parts)
