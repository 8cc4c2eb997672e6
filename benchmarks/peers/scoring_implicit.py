"""implicit's `topk`, which its models' `recommend` calls: threads of its own over batches, one of BLAS in each."""

from collections.abc import Callable
from typing import Any

import numpy as np
from _ranked import K, arrays, timed
from _talk import talk
from implicit.cpu.topk import topk
from scipy import sparse


def begin(question: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    users, items, start, item = arrays(question)
    seen = sparse.csr_matrix((np.ones(len(item), np.float32), item, start), shape=(len(users), len(items)))

    def rank(count: int) -> np.ndarray:
        found, _ = topk(items, users[:count], K, filter_query_items=seen[:count], num_threads=question["threads"])
        return found

    return lambda asked: timed(rank, asked)


talk(begin)
