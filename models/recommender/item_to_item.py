"""Users' histories times an item-to-item matrix: the form that item-kNN, the transition model and EASE share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.history import Weighting, history_weights, lookup
from models.recommender.occlusion import Sources, shares
from models.recommender.ranking import BLOCK_CELLS, top_k

Matrix: TypeAlias = sparse.csr_array | np.ndarray


@dataclass(frozen=True)
class ItemToItem:
    """scores(u, j) = sum over i of w(u, i) · matrix[i, j]; see `Weighting` for w.

    The sums run in the order of item ids, whatever the block, so scores do not depend on how users are blocked.
    """

    matrix: Matrix  # float32 [I, I], row: what was had, column: what is recommended
    weighting: Weighting

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        product = history_weights(data, users, self.weighting) @ self.matrix
        return product.toarray() if sparse.issparse(product) else product

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The item i of the history with the largest w(u, i) · matrix[i, j]; ties by item id."""
        history = history_weights(data, users, self.weighting)
        lengths = np.diff(history.indptr)
        pair_user = np.repeat(np.arange(len(users)), items.shape[1])
        flat = items.ravel()
        usable = np.flatnonzero((flat >= 0) & (lengths[pair_user] > 0))
        reasons = np.full(len(flat), -1, dtype=np.int32)
        if len(usable):
            rows = pair_user[usable]
            sizes = lengths[rows]
            starts = np.cumsum(sizes) - sizes
            position = np.arange(sizes.sum()) - np.repeat(starts - history.indptr[rows], sizes)
            source = history.indices[position]
            part = history.data[position] * lookup(self.matrix, source, np.repeat(flat[usable], sizes))
            best = np.maximum.reduceat(part, starts)
            is_best = np.flatnonzero((part == np.repeat(best, sizes)) & (part > 0))
            pair = np.repeat(np.arange(len(usable)), sizes)[is_best]
            found, first = np.unique(pair, return_index=True)
            reasons[usable[found]] = source[is_best[first]]
        return reasons.reshape(items.shape)

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        """w(u, i) · matrix[i, j] / score(u, j); see `occlusion.Additive`."""
        weight = lookup(history_weights(data, users, self.weighting), sources.row, sources.item)
        listed = np.maximum(items, 0)[sources.row]
        part = lookup(self.matrix, np.repeat(sources.item, items.shape[1]), listed.ravel()).reshape(listed.shape)
        return shares(weight[:, None] * part, sources)

    def similar(self, items: np.ndarray, k: int, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k items that follow most from each of `items`: indices int32 and values float32, [n, k]; -1 pads.

        A sparse matrix is sorted entry by entry: its rows hold few of the items that a dense pass would look at.
        """
        matrix = self.matrix
        if isinstance(matrix, np.ndarray):
            best, width = _similar_dense, matrix.shape[1]
        else:
            best, width = _similar_sparse, int(np.diff(matrix.indptr).max(initial=0))
        size = max(1, BLOCK_CELLS // max(1, width))
        parts = [(np.empty((0, k), np.int32), np.empty((0, k), np.float32))]
        for start in range(0, len(items), size):
            block = items[start : start + size]
            parts.append(best(matrix[block], block, k, available))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def arrays(self) -> dict[str, np.ndarray]:
        if isinstance(self.matrix, np.ndarray):
            return {"matrix": self.matrix}
        return {"indptr": self.matrix.indptr, "indices": self.matrix.indices, "data": self.matrix.data}


def similar_in_turn(
    matrices: Sequence[ItemToItem], items: np.ndarray, k: int, available: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `ItemToItem.similar`: each matrix speaks for the items of which those before it know nothing available."""
    found, scores = matrices[0].similar(items, k, available)
    for matrix in matrices[1:]:
        silent = np.flatnonzero(found[:, 0] < 0)
        found[silent], scores[silent] = matrix.similar(items[silent], k, available)
    return found, scores


def _similar_dense(rows: np.ndarray, block: np.ndarray, k: int, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dense = np.where((rows > 0) & available, rows, np.float32(-np.inf))
    dense[np.arange(len(block)), block] = -np.inf
    return top_k(dense, k)


def _similar_sparse(
    rows: sparse.csr_array, block: np.ndarray, k: int, available: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As the dense one, ties by column included."""
    rows.sort_indices()
    row = np.repeat(np.arange(len(block)), np.diff(rows.indptr))
    keep = (rows.data > 0) & available[rows.indices] & (rows.indices != block[row])
    row, column, value = row[keep], rows.indices[keep], rows.data[keep]
    # One stable sort by row, then by value downwards: the bits of positive floats grow with their values.
    order = np.argsort((row.astype(np.int64) << 32) - value.view(np.int32), kind="stable")
    counts = np.bincount(row, minlength=len(block))
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, order, place = row[place < k], order[place < k], place[place < k]
    index, values = np.full((len(block), k), -1, np.int32), np.full((len(block), k), -np.inf, np.float32)
    index[row, place], values[row, place] = column[order], value[order]
    return index, values


def matrix_of(arrays: dict[str, np.ndarray]) -> Matrix:
    """The inverse of `ItemToItem.arrays`."""
    if "matrix" in arrays:
        return arrays["matrix"]
    size = len(arrays["indptr"]) - 1
    return sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(size, size))


def keep_top(matrix: sparse.csr_array, n: int) -> sparse.csr_array:
    """The n largest entries of each row, ties by column; the result has sorted indices."""
    matrix.sum_duplicates()
    lengths = np.diff(matrix.indptr)
    keep = np.ones(matrix.nnz, dtype=bool)
    for row in np.flatnonzero(lengths > n):  # one selection per crowded row beats sorting all entries three times over
        values = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        least = np.partition(values, len(values) - n)[len(values) - n]
        kept = values > least
        kept[np.flatnonzero(values == least)[: n - kept.sum()]] = True
        keep[matrix.indptr[row] : matrix.indptr[row + 1]] = kept
    owner = np.repeat(np.arange(matrix.shape[0]), lengths)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owner[keep], minlength=matrix.shape[0]))])
    return sparse.csr_array(
        (matrix.data[keep], matrix.indices[keep].astype(np.int32), indptr.astype(np.int64)), shape=matrix.shape
    )
