"""What every script that ranks does around its own ranking: load the arrays, time, write lists down."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K = 20
Rank = Callable[[int], np.ndarray]
"""Lists int [n, K] of the first n users, -1 in padding."""


def arrays(question: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Users float32 [U, d], items float32 [I, d]; user u has seen the items seen[start[u]:start[u + 1]]."""
    users, items, start, seen = (
        np.load(Path(question["folder"]) / f"{name}.npy") for name in ("users", "items", "start", "seen")
    )
    return users, items, start, seen


def timed(rank: Rank, asked: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    found = rank(asked["users"])
    seconds = time.perf_counter() - started
    if "lists" in asked:
        np.save(asked["lists"], found.astype(np.int64))
    return {"seconds": seconds}


def fastest(ways: dict[str, Rank], users: int) -> str:
    """The name of the way that ranks these users in the least time, the best of three."""
    took = dict.fromkeys(ways, float("inf"))
    for _ in range(3):
        for name, rank in ways.items():
            started = time.perf_counter()
            rank(users)
            took[name] = min(took[name], time.perf_counter() - started)
    return min(took, key=lambda name: took[name])
