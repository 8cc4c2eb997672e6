"""This project's engine, and what bounds it: products in the type it chooses candidates with, and one maximum each."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from _ranked import K, Rank, arrays, fastest, timed
from _talk import talk
from scipy import sparse

from models.recommender.engine.engine import Engine
from models.recommender.engine.numbers import WHOLE
from models.recommender.engine.plan import Filters
from models.recommender.engine.select import GROUP, reserve

BLOCKS = (64, 128, 256, 512)


def begin(question: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    users, items, first, item = arrays(question)
    seen = sparse.csr_array((np.ones(len(item), bool), item, first), shape=(len(users), len(items)))
    threads = question["threads"]
    engine = Engine(items, threads=threads)

    def rank(count: int) -> np.ndarray:
        return engine.rank(users[:count], K, Filters(seen[:count])).items

    ways: dict[str, Rank] = {"engine": rank}
    for kind in ("floats", "integers"):
        blocks = {f"{rows}": bound(engine, users, rows, kind, threads) for rows in BLOCKS}
        ways[kind] = blocks[fastest(blocks, question["warm"])]

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["what"] == "compile":
            started = time.perf_counter()
            engine.compile()
            return {"seconds": time.perf_counter() - started}
        if asked["what"] == "stream":
            return stream(engine, users, asked["users"])
        return timed(ways[asked["what"]], asked)

    return answer


def bound(engine: Engine, users: np.ndarray, rows: int, kind: str, threads: int) -> Rank:
    """Each thread by itself takes blocks of users through all tiles, with memory of its own; nothing is kept.

    `floats` takes the maxima of values as what they are, `integers` as the engine does.
    """
    catalogue = engine.catalogue
    low, width = catalogue.low, catalogue.columns
    spaces = [reserve((rows, width), low, torch.device("cpu")) for _ in range(threads)]
    read_as = WHOLE[low] if kind == "integers" else low
    maxima = [torch.empty((rows, width // GROUP), dtype=read_as) for _ in range(threads)]

    def work(thread: int, count: int) -> None:
        torch.set_num_threads(1)
        for start in range(thread * rows, count, rows * threads):
            block = torch.from_numpy(users[start : min(start + rows, count)]).to(low)
            values, tops = spaces[thread][: len(block)], maxima[thread][: len(block)]
            for tile in catalogue.coarse:
                torch.mm(block, tile, out=values)
                torch.amax(values.view(read_as).view(len(block), GROUP, -1), 1, out=tops)

    def rank(count: int) -> np.ndarray:
        before = torch.get_num_threads()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda thread: work(thread, count), range(threads)))
        torch.set_num_threads(before)
        return np.empty((0, K))

    return rank


def stream(engine: Engine, users: np.ndarray, count: int) -> dict[str, Any]:
    """Lists of so many users that are never in memory together."""
    draw = np.random.default_rng(0)
    for _ in range(0, count, 8192):
        engine.rank(users[draw.integers(0, len(users), 8192)], K)
    return {"users": count}


talk(begin)
