"""How good an order is, by judged pairs; and folds that keep a query whole."""

import numpy as np

from models.nlp.search.fusion import ranks

SEED = 20_180_101
FOLDS = 5


def ndcg(scores: np.ndarray, gain: np.ndarray, query: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k of each query (Järvelin and Kekäläinen 2002): Σ gain / log2(rank + 1) over the first k, divided by the
    same of the ideal order of all judged products of the query.

    `scores`, `gain` float [P], `query` int [P] from 0; returns float64 [Q], NaN for a query where nothing has a gain.
    Products of equal score count as in every order of them on average (McSherry and Najork 2008): each place they
    share is given their mean gain, so the order of rows changes nothing.
    """
    lists = int(query.max(initial=-1)) + 1
    group = np.stack([query, ranks(scores, query)], axis=1)
    where = np.unique(group, axis=0, return_inverse=True)[1].ravel()
    shared = (np.bincount(where, gain) / np.bincount(where))[where]
    found = _discounted(-scores, shared, query, k, lists)
    ideal = _discounted(-gain, gain, query, k, lists)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(found / ideal)


def _discounted(key: np.ndarray, gain: np.ndarray, query: np.ndarray, k: int, lists: int) -> np.ndarray:
    order = np.lexsort((key, query))
    of_list = query[order]
    start = np.searchsorted(of_list, np.arange(lists))
    place = np.arange(len(order)) - start[of_list]
    inside = place < k
    return np.bincount(of_list[inside], gain[order][inside] / np.log2(place[inside] + 2), lists)


def folds(queries: int, count: int = FOLDS) -> np.ndarray:
    """int64 [queries]: the fold of each query, sizes equal to within one, drawn with a fixed seed."""
    return np.asarray(np.random.default_rng(SEED).permutation(queries) % count)
