"""What is known about a user and an item at the end of a day: the columns that the second stage reads.

Everything is counted from a `Past`, which holds nothing after its day, so a column means the same on the day a ranker
learns from as on the night it scores. A value that does not exist (days since a purchase that never was) is NaN, which
LightGBM treats as a case of its own. Days count from 0, the last day of the data.
"""

from dataclasses import dataclass

import numpy as np

from models.days import Days, Past

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
    """Columns of every (user, item) with an event, of every item and of every user of one `Past`."""

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


def features(past: Past, users: np.ndarray | None = None) -> Features:
    """`users`: indices of those that will be asked about, all where None; items are counted over everybody."""
    item = _item_columns(past.bought)
    popular = np.log1p(np.bincount(past.bought.item, minlength=past.bought.items))
    if users is not None:
        past = past.only(users)
    bought, looked = past.bought, past.looked
    user = _user_columns(past, popular)
    usual = item[:, ITEM.index("item_interval")]
    columns = _bought_columns(bought, user[:, USER.index("user_days")], usual)
    seen = np.stack([looked.count, looked.sum(looked.age < MONTH), looked.last], axis=1)
    return Features(bought.items, (bought.key, columns), (looked.key, seen.astype(np.float32)), item, user)


def _bought_columns(days: Days, user_days: np.ndarray, usual: np.ndarray) -> np.ndarray:
    interval = days.interval
    expected = np.where(np.isnan(interval), usual[days.pair_item], interval)
    columns = [
        days.sum(days.times), days.count, days.sum(days.age < MONTH), days.count / user_days[days.pair_user],
        days.last, days.first, interval, days.last / np.maximum(expected, 1),
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def _item_columns(days: Days) -> np.ndarray:
    items, item = days.items, days.pair_item

    def sold(within: float) -> np.ndarray:
        return np.bincount(days.item[days.age < within], minlength=items).astype(np.float64)

    week, month = sold(WEEK), sold(MONTH)
    oldest = np.full(items, np.nan)
    np.fmax.at(oldest, item, days.first.astype(np.float64))
    again = days.count > 1
    buyers = np.bincount(item, minlength=items)
    rebuyers = np.bincount(item[again], minlength=items)
    total = np.bincount(item[again], days.interval[again], items)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            week, month, sold(np.inf), week * (MONTH / WEEK) / month, oldest, rebuyers / buyers, total / rebuyers,
        ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def _user_columns(past: Past, popular: np.ndarray) -> np.ndarray:
    """`popular` float64 [I]: what each bought item adds to `user_popularity`."""
    days, users = past.bought, past.bought.users
    owner, age = days.visits.user, days.visits.age
    count = np.bincount(owner, minlength=users).astype(np.float64)
    last, first, oldest = (np.full(users, np.nan) for _ in range(3))
    np.fmin.at(last, owner, age.astype(np.float64))
    np.fmax.at(first, owner, age.astype(np.float64))
    for part in (days, past.looked):
        np.fmax.at(oldest, part.pair_user, part.first.astype(np.float64))
    rows = np.bincount(days.user, minlength=users)
    distinct = np.bincount(days.pair_user, minlength=users)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            count, np.bincount(owner[age < MONTH], minlength=users), last,
            np.where(count > 1, (first - last) / (count - 1), np.nan), distinct, rows / count, distinct / rows, oldest,
            np.bincount(days.user, popular[days.item], users) / rows,
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
