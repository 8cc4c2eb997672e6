"""How well one modality finds another."""

from collections.abc import Sequence

import numpy as np


def found_at(queries: np.ndarray, targets: np.ndarray, ks: Sequence[int], block: int = 512) -> dict[int, np.ndarray]:
    """By k, float64 [n]: the chance that target i is among the k best of all targets for query i.

    `queries`, `targets` [n, d]; best is the largest inner product. Targets that score the same as the right one come in
    random order: with b better ones and t ties, the right one among them, it is (k - b) / t, cut to 0..1. The mean over
    queries is Recall@k with one relevant item.
    """
    better, ties = np.zeros(len(queries)), np.zeros(len(queries))
    for start in range(0, len(queries), block):
        scores = queries[start : start + block] @ targets.T
        own = scores[np.arange(len(scores)), np.arange(start, start + len(scores))][:, None]
        better[start : start + block] = (scores > own).sum(axis=1)
        ties[start : start + block] = (scores == own).sum(axis=1)
    return {k: np.clip((k - better) / ties, 0, 1) for k in ks}


def nearest(queries: np.ndarray, targets: np.ndarray, k: int, block: int = 512) -> np.ndarray:
    """int64 [n, k]: rows of the targets [m, d] with the largest inner products, best first, the lower row at ties."""
    k = min(k, len(targets))
    found = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), block):
        scores = queries[start : start + block] @ targets.T
        found[start : start + block] = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return found
