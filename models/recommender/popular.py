"""Popular in the last 7 days: the list of people we know nothing about, and the fill of every other list."""

import numpy as np

from models.interactions import MICROSECONDS_PER_DAY, Interactions
from models.recommender.configs import EVENT_WEIGHTS, Popular
from models.recommender.occlusion import Sources


class PopularModel:
    """Popularity of an item = sum over users of the heaviest event with it (a buyer counts 1) in the last `days` days.

    Ties: popularity in the whole window, then item id. Items without any event come last.
    """

    def __init__(self, recent: np.ndarray, overall: np.ndarray) -> None:
        self.recent, self.overall = recent, overall  # float32 [I]

    @property
    def order(self) -> np.ndarray:
        """int64 [I]: all items, most popular first."""
        return np.lexsort((np.arange(len(self.recent)), -self.overall, -self.recent))

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        # Overall popularity below one unit of the recent one: it orders ties and ranks what sold only earlier.
        blend = self.recent + self.overall * np.float32(0.01) / (1 + self.overall.max(initial=0))
        return np.broadcast_to(blend.astype(np.float32), (len(users), len(blend)))

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.full(items.shape, -1, dtype=np.int32)

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        """0: one person's past is nothing to the crowd's; see `occlusion.Additive`."""
        return np.zeros((len(sources.row), items.shape[1]), dtype=np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"recent": self.recent, "overall": self.overall}


def fit(data: Interactions, config: Popular) -> PopularModel:
    return PopularModel(*popularity(data, config.days))


def popularity(data: Interactions, days: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Popularity in the last `days` days and in all of `data`, float32 [I] each; `among` bool [U] counts only those."""
    counted = np.ones(len(data.item), dtype=bool) if among is None else among[data.user]
    recent = counted & (data.time >= data.end - days * MICROSECONDS_PER_DAY)
    return _people(data, recent), _people(data, counted)


def _people(data: Interactions, rows: np.ndarray) -> np.ndarray:
    weight = np.asarray(EVENT_WEIGHTS)[data.event[rows]]
    user, item = data.user[rows], data.item[rows]
    order = np.lexsort((-weight, item, user))
    user, item, weight = user[order], item[order], weight[order]
    first = np.ones(len(user), dtype=bool)
    first[1:] = (np.diff(user) != 0) | (np.diff(item) != 0)
    return np.bincount(item[first], weight[first], len(data.items)).astype(np.float32)
