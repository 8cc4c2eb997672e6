"""Item-kNN: cosine between the columns of the weighted user–item matrix."""

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.configs import ItemKnn
from models.recommender.history import Weighting, history_weights
from models.recommender.item_to_item import ItemToItem
from models.recommender.ranking import BLOCK_CELLS, top_k


def weighting(config: ItemKnn) -> Weighting:
    return Weighting(half_life_days=config.half_life_days, power=config.power, max_events=config.max_events)


def fit(data: Interactions, config: ItemKnn) -> ItemToItem:
    """matrix[i, j] = x_i · x_j / (|x_i| |x_j|), x_i the column of weights of item i over users; the largest per row.

    Items of fewer than `min_users` users have no neighbours but themselves. The diagonal is `self_weight`.
    """
    users = history_weights(data, np.arange(len(data.users)), weighting(config))
    support = np.bincount(users.indices, minlength=len(data.items))
    norm = np.sqrt(np.bincount(users.indices, users.data.astype(np.float64) ** 2, len(data.items)))
    scale = np.where(support >= config.min_users, 1 / np.maximum(norm, 1e-30), 0)
    users = sparse.csr_array(
        ((users.data * scale[users.indices]).astype(np.float32), users.indices, users.indptr), shape=users.shape
    )
    users.eliminate_zeros()
    items = sparse.csr_array(users.T)
    matrix = _neighbours(items, users, config.neighbours)
    diagonal = sparse.diags_array((config.self_weight * (support > 0)).astype(np.float32), format="csr")
    matrix = sparse.csr_array(matrix + diagonal)
    matrix.sum_duplicates()
    return ItemToItem(matrix, weighting(config))


def _neighbours(items: sparse.csr_array, users: sparse.csr_array, n: int) -> sparse.csr_array:
    """Off-diagonal cosines, the n largest per row; dense blocks of rows bound the memory.

    Most of a large catalogue has too few users to be anybody's neighbour: only the columns of the others are computed.
    """
    active = np.flatnonzero(np.diff(items.indptr))
    users = users[:, active]
    size = max(1, BLOCK_CELLS // max(1, len(active)))
    rows, columns, values = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(active), size):
        block = active[start : start + size]
        dense = (items[block] @ users).toarray()
        dense[np.arange(len(block)), np.arange(start, start + len(block))] = 0
        index, value = top_k(np.where(dense > 0, dense, np.float32(-np.inf)), n)
        row, place = np.nonzero(index >= 0)
        rows.append(block[row])
        columns.append(active[index[row, place]])
        values.append(value[row, place])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(entries, shape=(items.shape[0], items.shape[0]))
