"""What `benchmarks.closed_loop` counts of a night's lists and of what shoppers did with them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks._loop_night import SETTINGS, Lists
from benchmarks._loop_shop import Shelf, Shop, numbers
from models import metrics
from models.monitoring import exposure
from models.recommender.newcomers import FEW
from pipelines.sources._shop.sessions import appeal, examined

SHORT, LONG = 7, 28
"""Days that what is bought, and popularity, are counted over."""
SETTLED = 7
"""Days before the end by which an item must have come to be asked whether it was found."""


@dataclass(frozen=True)
class Truth:
    """What a day's visitors would do with any item: the ground truth, which no model reads. V visits, I items."""

    chance: np.ndarray  # float [V, I]: a click, by who looks; 0 where the item is sold out
    rank: np.ndarray  # int [V, I]: place of the item in the order of the chance, 1 the best; sold out ones last

    @classmethod
    def of(cls, shop: Shop, day: int) -> "Truth":
        visits, floor = shop.visits(day), shop.floor(day)
        every = np.broadcast_to(np.arange(len(shop.items)), (len(visits.user), len(shop.items)))
        chance = np.where(floor.available, appeal(floor, visits.user, np.full(len(visits.user), -1), every), 0.0)
        order = np.argsort(-chance, axis=1, kind="stable")
        rank = np.empty(order.shape, dtype=np.int64)
        np.put_along_axis(rank, order, np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape), 1)
        return cls(chance, rank)

    def clicks(self, items: np.ndarray) -> np.ndarray:
        """float [V, places]: chance of a click on `items` int [V, places], −1 is none, in their places."""
        chance = np.take_along_axis(self.chance, np.maximum(items, 0), 1) * examined(items.shape[1])
        return np.where(items >= 0, chance, 0.0)

    def best(self, places: int) -> np.ndarray:
        """float [V]: expected clicks of the list that nobody can beat, the items in the order of their chance."""
        top = np.sort(np.partition(self.chance, -places, axis=1)[:, -places:], axis=1)[:, ::-1]
        return np.asarray(top @ examined(places))


class Books:
    """The counts of one run of the loop; `opens` is the first day with a shelf."""

    def __init__(self, shop: Shop, opens: int) -> None:
        self.shop, self.opens = shop, opens
        self.bought = [self._bought(shop.ordinary(day)) for day in range(opens)]
        self.before = np.sum(self.bought[-LONG:], axis=0)
        self.shown: list[np.ndarray] = []  # by day with a shelf, int [I]
        self.clicked: list[np.ndarray] = []

    def night(self, day: int, lists: Lists, shelf: Shelf, truth: Truth, events: pa.Table) -> dict[str, float]:
        """The numbers of a day with a shelf; `events`: what was done on it, on the shelf and elsewhere."""
        items, shown = self.shop.world.items, shelf.items[shelf.shown]
        popularity = np.sum(self.bought[-LONG:], axis=0)
        self.bought.append(self._bought(events))
        self.shown.append(np.bincount(shown, minlength=len(items)))
        self.clicked.append(np.bincount(shelf.items[shelf.did.clicked], minlength=len(items)))
        everybody = lists.filled.items[(lists.filled.items >= 0).any(axis=1)]
        on_sale = items.on_sale(day)
        ranks = np.take_along_axis(truth.rank, np.maximum(shelf.items, 0), 1)[shelf.shown]
        looks = np.broadcast_to(examined(shelf.items.shape[1]), shelf.items.shape)[shelf.shown]
        return {
            "impressions": float(len(shown)),
            "clicks": float(shelf.did.clicked.sum()),
            "purchases": float(shelf.did.bought.sum()),
            "revenue": shelf.revenue,
            "expected_clicks": float(truth.clicks(shelf.items).sum()),
            "oracle_clicks": float(truth.best(shelf.items.shape[1])[shelf.shown.any(axis=1)].sum()),
            "taste_rank": float(np.average(ranks, weights=looks)),
            "coverage": metrics.coverage(everybody, int(on_sale.sum())),
            "gini": exposure.gini(exposure.exposure(everybody, len(items))[on_sale]),
            "arp": float(exposure.average_popularity(everybody, popularity).mean()),
            "aplt": float(exposure.tail_share(everybody, exposure.head(popularity)).mean()),
            "drift": float(self.before[shown].mean()),
            "gini_bought": exposure.gini(np.sum(self.bought[-SHORT:], axis=0)[on_sale]),
            "new_share": float(self._new(day)[shown].mean()),
        }

    def start(self) -> float:
        """Gini of what was bought in the week before the shelf opened."""
        sold = np.sum(self.bought[self.opens - SHORT : self.opens], axis=0)
        return exposure.gini(sold[self.shop.world.items.on_sale(self.opens - 1)])

    def newcomers(self, days: list[pa.Table]) -> dict[str, float]:
        """Of an item that came while the shelf was open, a week before the end at the latest, in the mean: places and
        clicks on the shelf in its first week; days until `FEW` people had an event with it, there or elsewhere, where
        one that they never had counts its days so far.
        """
        first, last = self.shop.world.items.first, len(days) - 1
        came = np.flatnonzero((first >= self.opens) & (first <= last + 1 - SETTLED))
        shown, clicked = (
            [np.sum([day[item] for day in counts[first[item] - self.opens :][:SETTLED]]) for item in came]
            for counts in (self.shown, self.clicked)
        )
        known = days_until_known(days, len(first), FEW)[came] + 1 - first[came]
        found = {"shown": shown, "clicked": clicked, "days_unknown": known}
        return {"came": float(len(came)), **{n: float(np.sum(v) / max(1, len(came))) for n, v in found.items()}}

    def _new(self, day: int) -> np.ndarray:
        """bool [I]: items that came in the last 28 days; of those there from the start nobody knows since when."""
        first = self.shop.world.items.first
        return np.asarray((first > max(0, day - SETTINGS.new_item_days)) & (first <= day))

    def _bought(self, events: pa.Table) -> np.ndarray:
        rows = events.filter(pc.equal(events["event_type"], "purchase"))
        return np.bincount(numbers(rows["item_id"]), minlength=len(self.shop.items))


def days_until_known(days: list[pa.Table], items: int, few: int) -> np.ndarray:
    """int [items]: the day on which so many people had had an event with each; the last day where they have not."""
    user, item = (np.concatenate([numbers(day[name]) for day in days]) for name in ("user_id", "item_id"))
    when = np.repeat(np.arange(len(days)), [day.num_rows for day in days])
    _, first = np.unique(user * items + item, return_index=True)  # days are in order: the first row is the earliest
    order = np.lexsort((when[first], item[first]))
    item, when = item[first][order], when[first][order]
    start = np.searchsorted(item, np.arange(items))
    nth = start + few - 1
    there = nth < np.searchsorted(item, np.arange(items), side="right")
    return np.where(there, when[np.minimum(nth, len(when) - 1)], len(days) - 1)
