"""Whom the lists show: popularity, the long tail, how evenly the catalogue is shown, and whose taste is met.

Shapes: `lists` int [U, k] are items by number, -1 is padding; `popularity` [I] are interactions of each item of the
whole catalogue. What is a mean over users is given for each user, NaN where the list is empty: means and intervals are
made from that (`models.metrics`). Coverage@k is `models.metrics.coverage`.
"""

import numpy as np

HEAD = 0.8
"""The head of the catalogue holds this share of all interactions; the long tail is all else, unsold items included."""
SMOOTHING = 0.01


def exposure(lists: np.ndarray, items: int) -> np.ndarray:
    """Places that each item has in all lists, int64 [items]; 0 where it is never shown."""
    return np.bincount(lists[lists >= 0], minlength=items)


def average_popularity(lists: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Mean popularity of each list; the mean over users is ARP (Yin et al. 2012)."""
    return _per_list(lists, popularity)


def head(popularity: np.ndarray, share: float = HEAD) -> np.ndarray:
    """bool [I]: the fewest most popular items that together hold at least `share` of the interactions.

    Ties are broken by number, and items without interactions are never in it.
    """
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    found = np.zeros(len(popularity), dtype=bool)
    # The interactions before an item are fewer than the share: it is needed to reach it. Rounding must not add one.
    found[order] = (before < share * popularity.sum() * (1 - 1e-12)) & (popularity[order] > 0)
    return found


def tail_share(lists: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Share of each list that is long tail; the mean is APLT (Abdollahpouri et al. 2019)."""
    return _per_list(lists, ~head)


def tail_count(lists: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Long-tail items in each list; the mean is ACLT (Abdollahpouri et al. 2019)."""
    return np.where(lists >= 0, ~head[np.maximum(lists, 0)], False).sum(axis=1)


def gini(shown: np.ndarray) -> float:
    """Gini coefficient of exposure over the whole catalogue, items never shown included.

    With x sorted upwards, G = Σ (2i − n − 1) · x_i / (n · Σ x), i from 1: 0 where all items are shown alike, 1 − 1/n
    where one item has every place. NaN where nothing is shown.
    """
    n, total = len(shown), shown.sum()
    if not total:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(shown) / (n * total))


def entropy(shown: np.ndarray) -> float:
    """Shannon entropy of exposure in bits: −Σ p · log2 p; log2 of the items where all are shown alike."""
    share = shown[shown > 0] / max(shown.sum(), 1)
    return float(-(share * np.log2(share)).sum()) + 0.0


def group_lift(lists: np.ndarray, popularity: np.ndarray, own: np.ndarray) -> float:
    """PopLift, or ΔGAP: (GAP of the lists − GAP of the profiles) / GAP of the profiles (Abdollahpouri et al. 2019).

    GAP is the mean over the users of a group of the mean popularity of their items; `own` float [U] is that of a
    profile, NaN without one. Only users with both count. 0: lists are as popular as what their readers take.
    """
    listed = average_popularity(lists, popularity)
    both = ~(np.isnan(listed) | np.isnan(own))
    if not both.any():
        return float("nan")
    return float(listed[both].mean() / own[both].mean() - 1)


def category_shares(lists: np.ndarray, category: np.ndarray, categories: int) -> np.ndarray:
    """float64 [U, C]: shares of the categories in each list; `category` int [I]. A row of zeros: an empty list."""
    user, place = np.nonzero(lists >= 0)
    cell = user * categories + category[lists[user, place]]
    counts = np.bincount(cell, minlength=len(lists) * categories).reshape(len(lists), categories)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def calibration(own: np.ndarray, listed: np.ndarray, smoothing: float = SMOOTHING) -> np.ndarray:
    """KL(p || q~) of each user in nats, with q~ = (1 − a) · q + a · p and a = 0.01 (Steck 2018); 0 is perfectly met.

    `own` p, `listed` q: float [U, C], shares of categories in what a user takes and is shown. NaN where either is
    empty.
    """
    mixed = (1 - smoothing) * listed + smoothing * own
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(own > 0, own * np.log(own / mixed), 0.0)
    known = (own.sum(axis=1) > 0) & (listed.sum(axis=1) > 0)
    return np.where(known, terms.sum(axis=1), np.nan)


def _per_list(lists: np.ndarray, value: np.ndarray) -> np.ndarray:
    listed = lists >= 0
    total = np.where(listed, value[np.maximum(lists, 0)], 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / listed.sum(axis=1))
