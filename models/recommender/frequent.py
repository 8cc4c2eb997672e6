"""A user's own most frequent purchases: the floor to beat wherever people buy the same things again."""

import numpy as np

from models.interactions import PURCHASE, Interactions
from models.recommender.configs import FrequentItems
from models.recommender.history import lookup, purchase_counts, ragged
from models.recommender.occlusion import Sources


class FrequentItemsModel:
    """score(u, i) = number of u's purchases of i, plus a fraction below 1 that orders ties by the latest purchase."""

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        scores = purchase_counts(data, users).toarray()
        row, event = ragged(data.offsets[users], data.offsets[users + 1])
        keep = data.event[event] == PURCHASE
        row, event = row[keep], event[keep]
        if len(event):
            # The rank of the moment among all moments in the block of one user: small, so float32 keeps it apart.
            start = data.offsets[users][row]
            length = np.diff(data.offsets)[users][row]
            latest = np.zeros_like(scores)
            place = (self._moment(data, event) - start + 1) / (length + 1)
            np.maximum.at(latest, (row, data.item[event]), place)
            scores += latest
        return scores.astype(np.float32)

    @staticmethod
    def _moment(data: Interactions, event: np.ndarray) -> np.ndarray:
        """The first row with the same user and time: equal for purchases of one receipt, growing with time."""
        new = np.ones(len(data.time), dtype=bool)
        new[1:] = (np.diff(data.time) != 0) | (np.diff(data.user) != 0)
        return np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))[event]

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        counts = purchase_counts(data, users)
        rows = np.repeat(np.arange(len(users)), items.shape[1])
        own = lookup(counts, rows, np.maximum(items, 0).ravel()).reshape(items.shape) > 0
        return np.where(own & (items >= 0), items, -1).astype(np.int32)

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        """1 for the item itself, else 0; see `occlusion.Additive`."""
        bought = lookup(purchase_counts(data, users), sources.row, sources.item) > 0
        return ((sources.item[:, None] == items[sources.row]) & bought[:, None]).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


def fit(data: Interactions, config: FrequentItems) -> FrequentItemsModel:
    """Nothing to learn: the user's history is the model."""
    return FrequentItemsModel()
