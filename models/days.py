"""What was bought and looked at on which day: sorted once, cut to any earlier day without another sort."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.interactions import MICROSECONDS_PER_DAY, PURCHASE, Interactions

DENSE = 4
"""Days of all users, in rows of purchases, up to which it costs little to keep a flag for each."""


@dataclass(frozen=True)
class Days:
    """Distinct (user, item, day), by user and item, the oldest day first: P pairs in D rows.

    Ages count whole days (UTC) back from the last day, which is 0.
    """

    users: int
    items: int
    user: np.ndarray  # int64 [D]
    item: np.ndarray  # int64 [D]
    age: np.ndarray  # int64 [D]
    times: np.ndarray  # int64 [D], events of the day

    @classmethod
    def of(cls, data: Interactions, events: np.ndarray) -> "Days":
        """`events` bool [N]: those that count."""
        users, items = len(data.users), len(data.items)
        age = ages(data)[events]
        span = int(age.max(initial=0)) + 1
        key = (data.user[events].astype(np.int64) * items + data.item[events]) * span + (span - 1 - age)
        key.sort()
        start = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
        pair = key[start] // span
        user = pair // max(1, items)
        newness, times = key[start] - pair * span, np.diff(np.append(start, len(key)))
        return cls(users, items, user, pair - user * items, span - 1 - newness, times)

    def until(self, back: int, within: int) -> "Days":
        """The same, `back` days earlier, of the `within` days up to then."""
        return self._take((self.age >= back) & (self.age < back + within), self.age - back)

    def _take(self, kept: np.ndarray, age: np.ndarray) -> "Days":
        return Days(self.users, self.items, self.user[kept], self.item[kept], age[kept], self.times[kept])

    def only(self, users: np.ndarray) -> "Days":
        """The same of these users (indices) alone."""
        asked = np.zeros(self.users, dtype=bool)
        asked[users] = True
        return self._take(asked[self.user], self.age)

    @cached_property
    def start(self) -> np.ndarray:
        """int64 [P]: the first row of each pair."""
        new = np.ones(len(self.user), dtype=bool)
        new[1:] = (self.user[1:] != self.user[:-1]) | (self.item[1:] != self.item[:-1])
        return np.flatnonzero(new)

    @cached_property
    def key(self) -> np.ndarray:
        """int64 [P], ascending: user · items + item."""
        return self.pair_user * self.items + self.pair_item

    @cached_property
    def pair_user(self) -> np.ndarray:
        return self.user[self.start]

    @cached_property
    def pair_item(self) -> np.ndarray:
        return self.item[self.start]

    @cached_property
    def count(self) -> np.ndarray:
        """int64 [P]: days of each pair."""
        return np.diff(np.append(self.start, len(self.age)))

    @cached_property
    def first(self) -> np.ndarray:
        """int64 [P]: age of the oldest day of each pair."""
        return self.age[self.start]

    @cached_property
    def last(self) -> np.ndarray:
        """int64 [P]: age of the newest day of each pair."""
        return self.age[self.start + self.count - 1]

    @cached_property
    def interval(self) -> np.ndarray:
        """float64 [P]: mean days between the days of a pair; NaN for a single day."""
        return np.where(self.count > 1, (self.first - self.last) / np.maximum(self.count - 1, 1), np.nan)

    def sum(self, rows: np.ndarray) -> np.ndarray:
        """int64 [P]: the sum over each pair's rows; `rows` [D], of bool how many are marked."""
        return np.add.reduceat(rows.astype(np.int64), self.start) if len(self.start) else self.start

    @cached_property
    def visits(self) -> "Visits":
        span = int(self.age.max(initial=0)) + 1
        key = self.user * span + self.age
        if self.users * span <= DENSE * len(key):  # most users on many days: a flag for each day beats a sort
            held = np.zeros(self.users * span, dtype=bool)
            held[key] = True
            return Visits.of(np.flatnonzero(held), span, key)
        return Visits.of(np.unique(key), span, key)


@dataclass(frozen=True)
class Visits:
    """Distinct (user, day) of `Days`, by user, the newest day first: V of them, of D rows."""

    user: np.ndarray  # int64 [V]
    age: np.ndarray  # int64 [V]
    day: np.ndarray  # int64 [V], ascending: user · span + age
    day_of_row: np.ndarray  # int64 [D]

    @classmethod
    def of(cls, day: np.ndarray, span: int, day_of_row: np.ndarray) -> "Visits":
        user = day // span
        return cls(user, day - user * span, day, day_of_row)

    @cached_property
    def of_row(self) -> np.ndarray:
        """int64 [D]: the visit of each row."""
        return np.searchsorted(self.day, self.day_of_row)


@dataclass(frozen=True)
class Past:
    """Purchases, and views and carts."""

    bought: Days
    looked: Days

    @classmethod
    def of(cls, data: Interactions) -> "Past":
        purchase = data.event == PURCHASE
        return cls(Days.of(data, purchase), Days.of(data, ~purchase))

    def until(self, back: int, within: int) -> "Past":
        return Past(self.bought.until(back, within), self.looked.until(back, within))

    def only(self, users: np.ndarray) -> "Past":
        return Past(self.bought.only(users), self.looked.only(users))


def ages(data: Interactions) -> np.ndarray:
    """int64 [N]: whole days from each event's day (UTC) to the last day of the data."""
    return (data.end - 1 - data.time) // MICROSECONDS_PER_DAY
