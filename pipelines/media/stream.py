"""Work on many files in parallel with a fixed number of them in memory. Decoders leave the interpreter's lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WORKERS, AHEAD = 2, 16
"""Threads, and how many results wait at most for whoever takes them."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_order(work: Callable[[Given], Made], items: Iterable[Given], workers: int = WORKERS) -> Iterator[Made]:
    """What `work` makes of each item, in the order of the items. An exception of `work` comes out at its place."""
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
