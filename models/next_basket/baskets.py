"""Baskets, and the items that may be in the next one. A basket is what a user buys on one day (UTC)."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import sparse

from models.interactions import MICROSECONDS_PER_DAY, PURCHASE, Interactions
from models.recommender import candidate_features
from models.recommender.candidate_features import ages, distinct

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


def known_at(data: Interactions, day: date) -> Interactions:
    """What `data` holds of the `LOOKBACK` days that end with `day`, in the same vocabularies."""
    end = data.end - (data.as_of - day).days * MICROSECONDS_PER_DAY
    kept = (data.time < end) & (data.time >= end - LOOKBACK * MICROSECONDS_PER_DAY)
    counts = np.bincount(data.user[kept], minlength=len(data.users))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Interactions(day, data.users, data.items, data.item[kept], data.event[kept], data.time[kept], offsets)


def buyers(data: Interactions) -> np.ndarray:
    """int64 [n]: the users with a purchase."""
    return np.unique(data.user[data.event == PURCHASE]).astype(np.int64)


def next_baskets(data: Interactions, day: date, horizon: int) -> sparse.csr_array:
    """bool [U, I]: what each user bought on the first day with a purchase after `day` and within `horizon` days."""
    age, ahead = ages(data), (data.as_of - day).days
    rows = np.flatnonzero((data.event == PURCHASE) & (age < ahead) & (age >= ahead - horizon))
    user, item, age = data.user[rows].astype(np.int64), data.item[rows], age[rows]
    oldest = np.full(len(data.users), -1)
    np.maximum.at(oldest, user, age)
    rows = np.flatnonzero(age == oldest[user])
    shape = (len(data.users), len(data.items))
    found = sparse.csr_array((np.ones(len(rows), dtype=bool), (user[rows], item[rows])), shape=shape)
    found.sum_duplicates()
    return found


@dataclass(frozen=True)
class Baskets:
    """Distinct (user, item, basket), by user and item, the newest basket last."""

    user: np.ndarray  # int64 [R]
    item: np.ndarray  # int64 [R]
    back: np.ndarray  # int64 [R], baskets of the user since; 0 is the latest
    age: np.ndarray  # int64 [R], days since
    count: np.ndarray  # int64 [U], baskets of each user


def baskets(data: Interactions) -> Baskets:
    rows = data.event == PURCHASE
    user, item, age = distinct(data.user[rows], data.item[rows], ages(data)[rows], len(data.items))
    span = int(age.max(initial=0)) + 1
    day, basket = np.unique(user * span + age, return_inverse=True)  # the baskets, by user and newest first
    count = np.bincount(day // span, minlength=len(data.users))
    first = np.cumsum(count) - count
    return Baskets(user, item, basket - first[user], age, count)


def candidates(data: Interactions, found: Baskets, users: np.ndarray) -> Candidates:
    """The candidates of these users (indices, ascending) at the end of the day of `data`, with their columns."""
    size = len(data.items)
    popularity = _popularity(found, size)
    key = found.user * size + found.item
    start = np.flatnonzero(np.append(True, np.diff(key) != 0)[: len(key)])
    times = np.diff(np.append(start, len(key)))
    last = start + times - 1
    pair_user, pair_item, latest = found.user[start], found.item[start], found.back[last]
    asked = np.zeros(len(data.users), dtype=bool)
    asked[users] = True
    own = np.flatnonzero(asked[pair_user])
    own = own[np.lexsort((pair_item[own], latest[own], -times[own], pair_user[own]))]
    place = np.arange(len(own)) - np.searchsorted(pair_user[own], pair_user[own])
    own = own[place < OWN]
    order = np.lexsort((np.arange(size), -popularity))
    crowd = order[popularity[order] > 0][:POPULAR]
    fill = (users[:, None] * size + crowd).ravel()
    fill_place = np.tile(OWN + np.arange(len(crowd)), len(users))
    new = ~np.isin(fill, key[start][own])
    pairs = np.concatenate([key[start][own], fill[new]])
    places = np.concatenate([place[place < OWN], fill_place[new]])
    pairs = pairs[np.lexsort((places, pairs // max(1, size)))]
    user, item = np.divmod(pairs, max(1, size))
    at = np.minimum(np.searchsorted(key[start], pairs), max(0, len(start) - 1))
    hit = key[start][at] == pairs if len(start) else np.zeros(len(pairs), dtype=bool)
    within = [np.add.reduceat(found.back < last, start) if len(start) else start for last in (3, 5)]

    def of_own(values: np.ndarray, otherwise: float) -> np.ndarray:
        return np.where(hit, values[at], otherwise) if len(start) else np.full(len(pairs), otherwise)

    count = found.count[user]
    columns = [
        of_own(times, 0) / np.maximum(count, 1), of_own(latest, np.nan), of_own(within[0], 0), of_own(within[1], 0),
        count, popularity[item],
    ]  # fmt: skip
    more = candidate_features.features(data).of(user, item)
    return Candidates(user, item, np.concatenate([np.stack(columns, axis=1).astype(np.float32), more], axis=1))


def _popularity(found: Baskets, items: int) -> np.ndarray:
    """float64 [I]: the share of the baskets of the last `POPULAR_DAYS` days that hold the item."""
    recent = found.age < POPULAR_DAYS
    span = int(found.age.max(initial=0)) + 1
    held = len(np.unique(found.user[recent] * span + found.age[recent]))
    return np.bincount(found.item[recent], minlength=items) / max(1, held)


def expected_sizes(found: Baskets, users: np.ndarray) -> np.ndarray:
    """float64 [n]: distinct items of the next basket: the user's own mean, drawn towards the shop's by one basket.

    (items in the user's baskets + the shop's mean) / (the user's baskets + 1).
    """
    items = np.bincount(found.user, minlength=len(found.count))
    mean = len(found.user) / max(1, int(found.count.sum()))
    return np.asarray((items + mean) / (found.count + 1))[users]
