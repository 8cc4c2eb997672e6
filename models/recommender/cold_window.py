"""A moment in a shop's past: its new items as they looked then, and who bought them in the weeks that followed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.interactions import Interactions, encode
from models.recommender.cold import ColdItems, Modality, cold_items
from models.recommender.cold_blend import Cohort

DAYS, WEEK = 28, 7
FEWEST = 5
"""With fewer users or fewer items nothing is learned from a moment."""


@dataclass(frozen=True)
class Window:
    """B users with a past who bought any of C items that were first seen in the `DAYS` after `data.as_of`."""

    data: Interactions
    cold: ColdItems
    users: np.ndarray  # int64 [B], index into data.users
    bought: np.ndarray  # bool [B, C]
    asked: np.ndarray  # int64 [B]: the day after the cut-off, from 0, on which each first bought one of the items
    people: np.ndarray  # int64 [DAYS + 1, C]: who had each by the end of so many days; row 0 is zeros

    def crowd(self, days: int) -> np.ndarray:
        """float64 [B, C]: who had each item in the `days` up to the evening before the user's day."""
        return (self.people[self.asked] - self.people[np.maximum(self.asked - days, 0)]).astype(np.float64)

    def signals(self, nightly: bool) -> np.ndarray:
        """float32 [B, C, F]: as known at the cut-off, or, `nightly`, with who had the items by each user's day."""
        return self.cold.signals(self.data, self.users, self.crowd(WEEK) if nightly else None)

    def cohort(self, nightly: bool) -> Cohort:
        return Cohort(self.signals(nightly), self.bought)


def window(
    past: pa.Table,
    later: pa.Table,
    day: date,
    first: pa.Table,
    described: Callable[[Interactions], Interactions],
    spaces: Callable[[Interactions], Sequence[Modality]],
) -> Window | None:
    """The window that begins after `day`; None where fewer than `FEWEST` users or items are in it, or where the past is
    shorter than a window: in a shop's first weeks everything is new.

    `past`: events as known at the end of the day, those that count (see `encode`, plus event_date). `later`: events
    that hold the purchases of the window, whatever else. `first`: item_id, first_seen (date). `described` and `spaces`
    add what is said and shown of the items.
    """
    begun = pc.min(past["event_date"]).as_py()
    if begun is None or begun > day - timedelta(DAYS):
        return None
    seen = first["first_seen"]
    last = day + timedelta(DAYS)
    fresh = first.filter(pc.and_(pc.greater(seen, pa.scalar(day)), pc.less_equal(seen, pa.scalar(last))))
    names = fresh["item_id"].combine_chunks()
    past = past.filter(pc.invert(pc.is_in(past["item_id"], value_set=names)))
    data = described(encode(past, day, extra_items=names))
    items = np.sort(pc.index_in(names, value_set=data.items).to_numpy())
    user, item, when = _purchases(later, data, day, items)
    warm = (user >= 0) & (np.diff(data.offsets) > 0)[user]
    users = np.unique(user[warm])
    if min(len(users), len(items)) < FEWEST:
        return None
    row = np.searchsorted(users, user[warm])
    bought = np.zeros((len(users), len(items)), dtype=bool)
    bought[row, item[warm]] = True
    asked = np.full(len(users), DAYS)
    np.minimum.at(asked, row, when[warm])
    people = np.zeros((DAYS + 1, len(items)), dtype=np.int64)
    np.add.at(people, (when + 1, item), 1)
    return Window(data, cold_items(data, spaces(data), items), users, bought, asked, people.cumsum(axis=0))


def _purchases(
    later: pa.Table, data: Interactions, day: date, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pair of a user and a cold item: index of the user or −1, place of the item, days from the cut-off to the
    first purchase, less 1.
    """
    names = data.items.take(pa.array(items))
    when = later["event_date"]
    inside = pc.and_(pc.greater(when, pa.scalar(day)), pc.less_equal(when, pa.scalar(day + timedelta(DAYS))))
    rows = later.filter(
        pc.and_(pc.and_(inside, pc.equal(later["event_type"], "purchase")), pc.is_in(later["item_id"], value_set=names))
    )
    pairs = rows.group_by(["user_id", "item_id"]).aggregate([("event_date", "min")])
    user = pc.fill_null(pc.index_in(pairs["user_id"].combine_chunks(), value_set=data.users), -1).to_numpy()
    item = pc.index_in(pairs["item_id"].combine_chunks(), value_set=names).to_numpy()
    first = pairs["event_date_min"].combine_chunks().cast(pa.date32()).cast(pa.int32()).to_numpy()
    return user.astype(np.int64), item.astype(np.int64), first - (day - date(1970, 1, 1)).days - 1


def first_seen(events: pa.Table) -> pa.Table:
    """item_id, first_seen: the day of the first of these events with each item."""
    found = events.group_by("item_id").aggregate([("event_date", "min")])
    return pa.table(
        {"item_id": found["item_id"].cast(pa.string()), "first_seen": found["event_date_min"].cast(pa.date32())}
    )
