"""What is known about a user and an item at the end of a day: the columns that the second stage reads.

Everything is counted from `Interactions`, which hold nothing after their day, so a column means the same on the day a
ranker learns from as on the night it scores. A value that does not exist (days since a purchase that never was) is NaN,
which LightGBM treats as a case of its own. Days count from 0, the last day of the data.
"""

from dataclasses import dataclass

import numpy as np

from models.interactions import MICROSECONDS_PER_DAY, PURCHASE, Interactions

MONTH, WEEK = 28, 7
BOUGHT = (
    "bought_times", "bought_days", "bought_days_28d", "bought_share", "since_bought", "since_first_bought",
    "buying_interval", "since_bought_in_intervals",
)  # fmt: skip
SEEN = ("seen_days", "seen_days_28d", "since_seen")
ITEM = ("item_sold_7d", "item_sold_28d", "item_sold", "item_trend", "item_age", "item_rebuy_share", "item_interval")
USER = (
    "user_days", "user_days_28d", "user_since", "user_interval", "user_items", "user_basket", "user_new_share",
    "user_age", "user_popularity",
)  # fmt: skip
NAMES = (*BOUGHT, *SEEN, *ITEM, *USER)


@dataclass(frozen=True)
class Features:
    """Columns of every (user, item) with an event, of every item and of every user of one `Interactions`."""

    items: int
    bought: tuple[np.ndarray, np.ndarray]  # keys int64 [P] ascending (user · items + item), columns float32 [P, 8]
    seen: tuple[np.ndarray, np.ndarray]  # the same of views and carts, columns float32 [Q, 3]
    item: np.ndarray  # float32 [I, 7]
    user: np.ndarray  # float32 [U, 9]

    def of(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """float32 [P, len(NAMES)] of these pairs of indices, int [P] each."""
        key = user.astype(np.int64) * self.items + item
        own, looked = _find(*self.bought, key), _find(*self.seen, key)
        own[:, :4], looked[:, :2] = np.nan_to_num(own[:, :4]), np.nan_to_num(looked[:, :2])  # counts of nothing are 0
        return np.concatenate([own, looked, self.item[item], self.user[user]], axis=1)


def features(data: Interactions) -> Features:
    size = len(data.items)
    days = _Days.of(data, data.event == PURCHASE)
    user = _user_columns(data, days)
    item = _item_columns(days, size)
    times = np.bincount(days.pair_of(data), minlength=len(days.key))
    bought = _bought_columns(days, times, user[:, USER.index("user_days")], item[:, ITEM.index("item_interval")])
    looked = _Days.of(data, data.event != PURCHASE)
    seen = np.stack([looked.count, looked.sum(looked.age < MONTH), looked.last], axis=1)
    return Features(size, (days.key, bought), (looked.key, seen.astype(np.float32)), item, user)


@dataclass(frozen=True)
class _Days:
    """Distinct (user, item, day), oldest day first inside each pair (user, item); P pairs in D rows."""

    items: int
    row_user: np.ndarray  # int64 [D]
    row_item: np.ndarray  # int64 [D]
    age: np.ndarray  # int64 [D]
    start: np.ndarray  # int64 [P], first row of each pair

    @classmethod
    def of(cls, data: Interactions, events: np.ndarray) -> "_Days":
        items = len(data.items)
        user, item, age = distinct(data.user[events], data.item[events], ages(data)[events], items)
        pair = np.append(True, (np.diff(user) != 0) | (np.diff(item) != 0))[: len(user)]
        return cls(items, user, item, age, np.flatnonzero(pair))

    @property
    def key(self) -> np.ndarray:
        return self.user * self.items + self.item

    @property
    def user(self) -> np.ndarray:
        return self.row_user[self.start]

    @property
    def item(self) -> np.ndarray:
        return self.row_item[self.start]

    @property
    def count(self) -> np.ndarray:
        return np.diff(np.append(self.start, len(self.age)))

    @property
    def first(self) -> np.ndarray:
        return self.age[self.start]

    @property
    def last(self) -> np.ndarray:
        return self.age[self.start + self.count - 1] if len(self.start) else self.start

    def sum(self, rows: np.ndarray) -> np.ndarray:
        """How many of a pair's rows are marked, int64 [P]; `rows` bool [D]."""
        return np.add.reduceat(rows.astype(np.int64), self.start) if len(self.start) else self.start

    def pair_of(self, data: Interactions) -> np.ndarray:
        """The pair of each purchase, int64."""
        bought = data.event == PURCHASE
        return np.searchsorted(self.key, data.user[bought].astype(np.int64) * self.items + data.item[bought])

    @property
    def interval(self) -> np.ndarray:
        """Mean days between the days of a pair, float64 [P]; NaN for a single day."""
        return np.where(self.count > 1, (self.first - self.last) / np.maximum(self.count - 1, 1), np.nan)


def distinct(
    user: np.ndarray, item: np.ndarray, age: np.ndarray, items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct triples, int64 each, by user, item and age downwards: one sort of one number."""
    span = int(age.max(initial=0)) + 1
    key = np.sort((user.astype(np.int64) * items + item) * span + (span - 1 - age))
    key = key[np.append(True, np.diff(key) != 0)[: len(key)]]
    pair, newness = np.divmod(key, span)
    return pair // max(1, items), pair % max(1, items), span - 1 - newness


def ages(data: Interactions) -> np.ndarray:
    """int64 [N]: whole days from each event's day (UTC) to the last day of the data."""
    return (data.end - 1 - data.time) // MICROSECONDS_PER_DAY


def _bought_columns(days: _Days, times: np.ndarray, user_days: np.ndarray, usual: np.ndarray) -> np.ndarray:
    interval = days.interval
    expected = np.where(np.isnan(interval), usual[days.item], interval)
    columns = [
        times, days.count, days.sum(days.age < MONTH), days.count / user_days[days.user], days.last, days.first,
        interval, days.last / np.maximum(expected, 1),
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def _item_columns(days: _Days, items: int) -> np.ndarray:
    def sold(within: float) -> np.ndarray:
        return np.bincount(days.row_item[days.age < within], minlength=items).astype(np.float64)

    week, month = sold(WEEK), sold(MONTH)
    oldest = np.full(items, np.nan)
    np.fmax.at(oldest, days.item, days.first.astype(np.float64))
    again = days.count > 1
    buyers = np.bincount(days.item, minlength=items)
    rebuyers = np.bincount(days.item[again], minlength=items)
    total = np.bincount(days.item[again], days.interval[again], items)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            week, month, sold(np.inf), week * (MONTH / WEEK) / month, oldest, rebuyers / buyers, total / rebuyers,
        ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def _user_columns(data: Interactions, days: _Days) -> np.ndarray:
    users = len(data.users)
    span = int(days.age.max(initial=0)) + 1
    visit = np.unique(days.row_user * span + days.age)
    owner, age = np.divmod(visit, span)
    count = np.bincount(owner, minlength=users).astype(np.float64)
    last, first = np.full(users, np.nan), np.full(users, np.nan)
    np.fmin.at(last, owner, age.astype(np.float64))
    np.fmax.at(first, owner, age.astype(np.float64))
    rows = np.bincount(days.row_user, minlength=users)
    distinct = np.bincount(days.user, minlength=users)
    popular = np.log1p(np.bincount(days.row_item, minlength=days.items))
    oldest = np.full(users, np.nan)
    np.fmax.at(oldest, data.user, ages(data).astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            count, np.bincount(owner[age < MONTH], minlength=users), last,
            np.where(count > 1, (first - last) / (count - 1), np.nan), distinct, rows / count, distinct / rows, oldest,
            np.bincount(days.row_user, popular[days.row_item], users) / rows,
        ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def _find(keys: np.ndarray, columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The rows of `columns` at the keys that are wanted, NaN where there is none."""
    found = np.full((len(wanted), columns.shape[1]), np.nan, dtype=np.float32)
    if len(keys):
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = keys[place] == wanted
        found[hit] = columns[place[hit]]
    return found
