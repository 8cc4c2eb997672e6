"""Ranking metrics: a value per user first, then the mean over users; intervals by bootstrap over users.

Shapes: `hits` bool [U, k] says whether the item at each rank is relevant (padding is False); `relevant` int [U] is the
number of relevant items of each user, at least 1.
"""

import numpy as np


def recall(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Recall@k of each user = hits in the list / relevant items (the textbook form: the divisor is not cut at k)."""
    return hits.sum(axis=1) / relevant


def ndcg(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """NDCG@k of each user, binary relevance: sum over hits of 1 / log2(rank + 1), divided by the same sum of the ideal
    list, which holds min(k, relevant) hits at its top (Järvelin and Kekäläinen 2002, with gains 0 and 1).
    """
    discount = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    return (hits * discount).sum(axis=1) / ideal[np.minimum(relevant, hits.shape[1])]


def hit_rate(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """HitRate@k of each user: 1 where the list holds at least one relevant item, else 0."""
    return np.asarray(hits.any(axis=1), dtype=np.float64)


PER_USER = {"recall": recall, "ndcg": ndcg, "hit_rate": hit_rate}


def coverage(lists: np.ndarray, catalogue: int) -> float:
    """Coverage@k = distinct items in all lists / items in the catalogue. `lists` int [U, k], -1 is padding."""
    return len(np.unique(lists[lists >= 0])) / catalogue if catalogue else 0.0


def popularity_lift(lists: np.ndarray, popularity: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Popularity lift@k of each user = mean popularity of the listed items / mean popularity of the user's own history.

    Above 1 the list leans to bestsellers more than its reader does. `lists` int [U, k], -1 is padding; `popularity`
    [I]; `own` float [U], the mean over the events of a user's history, NaN without history (the result is NaN too).
    """
    listed = lists >= 0
    total = np.where(listed, popularity[np.maximum(lists, 0)], 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / listed.sum(axis=1) / own


def bootstrap_intervals(per_user: np.ndarray, seed: int, n: int = 1000) -> np.ndarray:
    """95 % percentile intervals of means, from n resamples of users with replacement (Efron 1979).

    `per_user` float [U, M], M values of each user; all M are resampled alike, which costs the draws once. Returns
    float64 [M, 2].
    """
    users, measures = per_user.shape
    if users == 0:
        return np.full((measures, 2), np.nan)
    generator = np.random.default_rng(seed)
    columns = np.ascontiguousarray(per_user.T)
    rows = max(1, 500_000 // users)  # few enough draws at a time to stay in the processor's cache
    means = np.empty((measures, n))
    for done in range(0, n, rows):
        chosen = generator.integers(0, users, (min(rows, n - done), users))
        for values, found in zip(columns, means, strict=True):
            found[done : done + rows] = values[chosen].mean(axis=1)
    return np.percentile(means, [2.5, 97.5], axis=1).T


def bootstrap_interval(per_user: np.ndarray, seed: int, n: int = 1000) -> tuple[float, float]:
    """The same of a single value of each user, [U]."""
    low, high = bootstrap_intervals(per_user[:, None], seed, n)[0]
    return float(low), float(high)


def paired_interval(challenger: np.ndarray, champion: np.ndarray, seed: int, n: int = 1000) -> tuple[float, float]:
    """95 % interval of the mean difference challenger − champion; both [U], the same users in the same order.

    Resampling users keeps each user's two values together, so what makes a user easy or hard cancels out.
    """
    if challenger.shape != champion.shape:
        raise ValueError(f"paired values differ in shape: {challenger.shape} and {champion.shape}")
    return bootstrap_interval(challenger - champion, seed, n)
