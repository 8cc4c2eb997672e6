"""Baskets, and the items that may be in the next one. A basket is what a user buys on one day (UTC)."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.days import Days, Past
from models.recommender import candidate_features

LOOKBACK = 180
"""Days that a user's baskets are read from."""
OWN = 60
"""Items of the user's own that are candidates, at most: the most frequent, the latest among equals."""
POPULAR, POPULAR_DAYS = 20, 28
"""Candidates of everybody: the items in most baskets of these days."""
NAMES = ("share", "since_baskets", "in_last_3", "in_last_5", "baskets", "popularity", *candidate_features.NAMES)
SHARE, BASKETS, POPULARITY = NAMES.index("share"), NAMES.index("baskets"), NAMES.index("popularity")


@dataclass(frozen=True)
class Candidates:
    """P pairs by user and, inside a user, in the floor's order: own items by frequency, then popular ones."""

    user: np.ndarray  # int64 [P], index into the vocabulary
    item: np.ndarray  # int64 [P]
    columns: np.ndarray  # float32 [P, len(NAMES)]

    @property
    def repeat(self) -> np.ndarray:
        """bool [P]: the user has bought the item before."""
        return self.columns[:, SHARE] > 0

    @property
    def rank(self) -> np.ndarray:
        """int64 [P]: place among the candidates of the user, from 0."""
        return np.arange(len(self.user)) - np.searchsorted(self.user, self.user)


def known_at(past: Past, back: int) -> Past:
    """What was known `back` days before the last day, of the `LOOKBACK` days up to then."""
    return past.until(back, LOOKBACK)


def buyers(past: Past) -> np.ndarray:
    """int64 [n]: the users with a purchase."""
    return np.flatnonzero(np.bincount(past.bought.user, minlength=past.bought.users))


def next_baskets(past: Past, back: int, horizon: int) -> sparse.csr_array:
    """bool [U, I]: each user's first basket of the `horizon` days that follow the day `back` days ago."""
    held = past.bought
    rows = np.flatnonzero((held.age < back) & (held.age >= back - horizon))
    user, item, age = held.user[rows], held.item[rows], held.age[rows]
    oldest = np.full(held.users, -1)
    np.maximum.at(oldest, user, age)
    rows = np.flatnonzero(age == oldest[user])
    return sparse.csr_array((np.ones(len(rows), dtype=bool), (user[rows], item[rows])), shape=(held.users, held.items))


@dataclass(frozen=True)
class Baskets:
    """The baskets of some users, and what all baskets of the shop say."""

    days: Days  # of these users
    back: np.ndarray  # int64 [D]: baskets of the user after each row; 0 is the latest
    count: np.ndarray  # int64 [U]: baskets of each user
    popularity: np.ndarray  # float64 [I]: the share of the shop's baskets of `POPULAR_DAYS` days that hold the item
    size: float  # distinct items of the shop's mean basket


def baskets(past: Past, users: np.ndarray) -> Baskets:
    """Of `users` (indices)."""
    shop, own = past.bought, past.bought.only(users)
    held = shop.visits.age
    recent = shop.item[shop.age < POPULAR_DAYS]
    popularity = np.bincount(recent, minlength=shop.items) / max(1, int((held < POPULAR_DAYS).sum()))
    count = np.bincount(own.visits.user, minlength=shop.users)
    first = np.cumsum(count) - count
    size = len(shop.user) / max(1, len(held))
    return Baskets(own, own.visits.of_row - first[own.user], count, popularity, size)


def candidates(past: Past, found: Baskets, users: np.ndarray) -> Candidates:
    """The candidates of the users (indices, ascending) that `found` is of, at the end of the last day."""
    days, popularity = found.days, found.popularity
    size, key, start, times = days.items, days.key, days.start, days.count
    pair_user, pair_item, latest = days.pair_user, days.pair_item, found.back[start + times - 1]
    own = np.lexsort((pair_item, latest, -times, pair_user))
    place = np.arange(len(own)) - np.searchsorted(pair_user[own], pair_user[own])
    own = own[place < OWN]
    order = np.lexsort((np.arange(size), -popularity))
    crowd = order[popularity[order] > 0][:POPULAR]
    fill = (users[:, None] * size + crowd).ravel()
    fill_place = np.tile(OWN + np.arange(len(crowd)), len(users))
    new = ~np.isin(fill, key[own])
    pairs = np.concatenate([key[own], fill[new]])
    places = np.concatenate([place[place < OWN], fill_place[new]])
    pairs = pairs[np.lexsort((places, pairs // max(1, size)))]
    user, item = np.divmod(pairs, max(1, size))
    at = np.minimum(np.searchsorted(key, pairs), max(0, len(key) - 1))
    hit = key[at] == pairs if len(key) else np.zeros(len(pairs), dtype=bool)
    within = [days.sum(found.back < last) for last in (3, 5)]

    def of_own(values: np.ndarray, otherwise: float) -> np.ndarray:
        return np.where(hit, values[at], otherwise) if len(key) else np.full(len(pairs), otherwise)

    count = found.count[user]
    columns = [
        of_own(times, 0) / np.maximum(count, 1), of_own(latest, np.nan), of_own(within[0], 0), of_own(within[1], 0),
        count, popularity[item],
    ]  # fmt: skip
    more = candidate_features.features(past, users).of(user, item)
    return Candidates(user, item, np.concatenate([np.stack(columns, axis=1).astype(np.float32), more], axis=1))


def expected_sizes(found: Baskets, users: np.ndarray) -> np.ndarray:
    """float64 [n]: distinct items of the next basket: the user's own mean, drawn towards the shop's by one basket.

    (items in the user's baskets + the shop's mean) / (the user's baskets + 1).
    """
    items = np.bincount(found.days.user, minlength=found.days.users)
    return np.asarray((items + found.size) / (found.count + 1))[users]
