"""RecTools' rankers: the one over implicit, and the one over torch in batches of several sizes; the fastest of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _ranked import K, arrays, fastest, timed
from _talk import talk
from rectools.models.rank import Distance, ImplicitRanker, TorchRanker
from scipy import sparse


def begin(question: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    users, items, start, item = arrays(question)
    seen = sparse.csr_matrix((np.ones(len(item), np.float32), item, start), shape=(len(users), len(items)))
    torch.set_num_threads(question["threads"])
    rankers = {"ImplicitRanker": ImplicitRanker(Distance.DOT, users, items, num_threads=question["threads"])}
    for batch in (128, 512):  # 128 is its default
        rankers[f"TorchRanker {batch}"] = TorchRanker(Distance.DOT, "cpu", users, items, batch_size=batch)

    def by(name: str) -> Callable[[int], np.ndarray]:
        def rank(count: int) -> np.ndarray:
            user, item, _ = rankers[name].rank(np.arange(count), K, seen[:count])
            place = np.arange(len(item)) - np.searchsorted(user, user)
            found = np.full((count, K), -1)
            found[user, place] = item
            return found

        return rank

    ways = {name: by(name) for name in rankers}
    best = fastest(ways, question["warm"])
    return lambda asked: {**timed(ways[best], asked), "way": best}


talk(begin)
