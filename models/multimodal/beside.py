"""How high what people had beside a product stands among the products most like it."""

import numpy as np


def ndcg_at(vectors: np.ndarray, pairs: np.ndarray, asked: np.ndarray, k: int, block: int = 256) -> np.ndarray:
    """float64 [q]: NDCG@k (Järvelin and Kekäläinen 2002) of each question, relevance yes or no.

    `vectors` float32 [I, d] of length 1 or zeros; `pairs` int64 [P, 2], (person, item) once each, by person; `asked`
    int64 [q], rows of `pairs`, whose person has another item too. All items but the asked one are ranked by inner
    product with it, ties by row; relevant are the other items of the person. Σ 1 / log2(rank + 1) over the relevant
    ones among the first k, divided by the same of the best order.
    """
    start = np.searchsorted(pairs[:, 0], pairs[asked, 0])
    end = np.searchsorted(pairs[:, 0], pairs[asked, 0], side="right")
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(discount)
    found = np.zeros(len(asked))
    for first in range(0, len(asked), block):
        rows = asked[first : first + block]
        item = pairs[rows, 1]
        scores = vectors[item] @ vectors.T
        scores[np.arange(len(rows)), item] = -np.inf
        top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        for n in range(len(rows)):
            others = pairs[start[first + n] : end[first + n], 1]
            hits = np.isin(top[n], others[others != item[n]])
            found[first + n] = discount[: len(hits)][hits].sum() / best[min(k, len(others) - 1) - 1]
    return found
