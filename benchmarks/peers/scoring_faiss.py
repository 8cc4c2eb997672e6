"""faiss's exact index. It cannot leave out items by user: more are asked for, and what was seen is dropped.

So that nobody is asked for many more than needed, users are grouped by how much they have seen.
"""

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from _ranked import K, arrays, timed
from _talk import talk


def begin(question: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    users, items, first, seen = arrays(question)
    faiss.omp_set_num_threads(question["threads"])
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)
    size = len(items)

    def rank(count: int) -> np.ndarray:
        many = np.diff(first[: count + 1])
        group = np.ceil(np.log2(np.maximum(many, 4))).astype(int)
        result = np.full((count, K), -1)
        for one in np.unique(group):
            row = np.flatnonzero(group == one)
            _, found = index.search(users[row], min(size, K + int(many[row].max())))
            pair = np.repeat(np.arange(len(row)), many[row])
            place = np.arange(len(pair)) + np.repeat(first[row] - np.cumsum(many[row]) + many[row], many[row])
            known = np.sort(pair * size + seen[place])
            keys = np.arange(len(row))[:, None] * size + found
            at = np.minimum(np.searchsorted(known, keys), max(0, len(known) - 1))
            fresh = known[at] != keys
            kept = np.argsort(~fresh, axis=1, kind="stable")[:, :K]
            result[row] = np.take_along_axis(found, kept, 1)
        return result

    return lambda asked: timed(rank, asked)


talk(begin)
