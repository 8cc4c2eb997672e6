"""The closed-form transition model: what follows what, counted once, without training."""

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.configs import EVENT_WEIGHTS, Transition
from models.recommender.history import Weighting
from models.recommender.item_to_item import ItemToItem, keep_top


def weighting(config: Transition) -> Weighting:
    return Weighting(gamma=config.gamma, max_events=config.max_events)


def fit(data: Interactions, config: Transition) -> ItemToItem:
    """A[i, j] = sum over users and positions s < t ≤ s + window, item i at s and j at t, of weight · (t − s)^−p.

    M = A + beta · Aᵀ; M[i, j] / (rowsum_i^a · colsum_j^b), both sums taken of M; the largest per row are kept.
    The weight of a pair is the smaller of its two event weights.
    """
    size = len(data.items)
    weight = np.asarray(EVENT_WEIGHTS)[data.event]
    user = data.user
    forward = sparse.csr_array((size, size), dtype=np.float64)
    for distance in range(1, config.window + 1):
        same = user[distance:] == user[:-distance]
        first, second = data.item[:-distance][same], data.item[distance:][same]
        value = np.minimum(weight[:-distance][same], weight[distance:][same]) * distance**-config.distance_power
        forward = forward + sparse.csr_array((value, (first, second)), shape=(size, size))
    matrix = sparse.csr_array(forward + config.backward * forward.T)
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    matrix.sum_duplicates()
    row = np.repeat(np.arange(size), np.diff(matrix.indptr))
    matrix.data /= rows[row] ** config.row_power * columns[matrix.indices] ** config.column_power
    return ItemToItem(keep_top(matrix.astype(np.float32), config.neighbours), weighting(config))
