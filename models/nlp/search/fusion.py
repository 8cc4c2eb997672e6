"""Several rankings of the same things made into one."""

from collections.abc import Sequence

import numpy as np

K = 60
"""The constant of Cormack et al. 2009."""


def fuse(scores: Sequence[np.ndarray], lists: np.ndarray) -> np.ndarray:
    """Reciprocal-rank fusion (Cormack, Clarke and Büttcher 2009): Σ over rankings of 1 / (60 + rank).

    `scores`: float [P] of each ranking; `lists` int [P]: the list (query) that each row belongs to. Equal scores share
    their mean rank, so the order of rows changes nothing. Returns float64 [P].
    """
    return np.asarray(sum((1 / (K + ranks(one, lists)) for one in scores), np.zeros(len(lists))))


def ranks(scores: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """float64 [P]: the place of each row in its list by score, from 1 for the highest; equal scores share the mean."""
    order = np.lexsort((-scores, lists))
    ordered, of_list = scores[order], lists[order]
    new_list = np.diff(of_list, prepend=of_list[:1] - 1) != 0 if len(order) else np.zeros(0, dtype=bool)
    new = new_list | (np.diff(ordered, prepend=np.nan) != 0)
    start = np.flatnonzero(new)
    size = np.diff(np.append(start, len(order)))
    first = np.maximum.accumulate(np.where(new_list, np.arange(len(order)), 0))
    mean = start - first[start] + 1 + (size - 1) / 2
    found = np.empty(len(order))
    found[order] = np.repeat(mean, size)
    return found
