"""What reviews say of each item at the end of a day: three columns that the second stage reads where a shop has any."""

import numpy as np

NAMES = ("item_reviews", "item_rating", "item_positive")
PRIOR = 10.0
"""Reviews like the shop's own that are added to each item's: one happy customer is no perfect item."""
GOOD = 4.0
"""A rating from which on a review counts as positive."""


def opinions(item: np.ndarray, rating: np.ndarray, items: int) -> np.ndarray | None:
    """float32 [items, 3], columns `NAMES`; None where there is no review.

    `item` int [R]: the item of each review; `rating` float64 [R], NaN where it has none. With n rated reviews of an
    item and m rated ones of the shop: (sum of the item's + PRIOR · mean of the m) / (n + PRIOR), of ratings and of
    whether each is at least GOOD. Both are NaN for an item without a rated review: that nobody rated it is not that it
    is like the others.
    """
    if not len(item):
        return None
    rated = ~np.isnan(rating)
    count = np.bincount(item[rated], minlength=items).astype(np.float64)
    columns = [np.bincount(item, minlength=items).astype(np.float64)]
    for values in (rating[rated], (rating[rated] >= GOOD).astype(np.float64)):
        total = np.bincount(item[rated], values, items)
        mean = values.mean() if len(values) else np.nan
        columns.append(np.where(count > 0, (total + PRIOR * mean) / (count + PRIOR), np.nan))
    return np.stack(columns, axis=1).astype(np.float32)
