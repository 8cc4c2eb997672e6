"""The closed-form transition model: what follows what, counted once, without training."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.configs import EVENT_WEIGHTS, Transition
from models.recommender.history import Weighting
from models.recommender.item_to_item import ItemToItem, keep_top

PAIRS_AT_ONCE = 4_000_000
"""Pairs gathered before they are added up: at 16 bytes each this bounds the memory, whatever the window."""


def weighting(config: Transition) -> Weighting:
    return Weighting(gamma=config.gamma, max_events=config.max_events)


def fit(data: Interactions, config: Transition) -> ItemToItem:
    """A[i, j] = sum over users and positions s < t ≤ s + window, item i at s and j at t, of weight · (t − s)^−p.

    M = A + beta · Aᵀ; M[i, j] / (rowsum_i^a · colsum_j^b), both sums taken of M; the largest per row are kept.
    The weight of a pair is the smaller of its two event weights.
    """
    size = len(data.items)
    forward = sparse.csr_array((size, size), dtype=np.float64)
    for value, first, second in _pairs(data, config):
        forward = forward + sparse.csr_array((value, (first, second)), shape=(size, size))
    matrix = sparse.csr_array(forward + config.backward * forward.T)
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    matrix.sum_duplicates()
    row = np.repeat(np.arange(size), np.diff(matrix.indptr))
    matrix.data /= rows[row] ** config.row_power * columns[matrix.indices] ** config.column_power
    return ItemToItem(keep_top(matrix.astype(np.float32), config.neighbours), weighting(config))


def _pairs(data: Interactions, config: Transition) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Value, first and second item of every pair, several distances at a time: a sum of matrices costs their size."""
    weight = np.asarray(EVENT_WEIGHTS)[data.event]
    user = data.user
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for distance in range(1, config.window + 1):
        same = np.flatnonzero(user[distance:] == user[:-distance])
        value = np.minimum(weight[same], weight[same + distance]) * distance**-config.distance_power
        held.append((value, data.item[same], data.item[same + distance]))
        if distance == config.window or sum(len(value) for value, _, _ in held) >= PAIRS_AT_ONCE:
            values, firsts, seconds = zip(*held, strict=True)
            yield np.concatenate(values), np.concatenate(firsts), np.concatenate(seconds)
            held = []
