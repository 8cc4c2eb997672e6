"""Who bought when, day by day, and the columns that say how a user stood at the end of any earlier day."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

LOOKBACK = 180
"""Days that a user is judged by; a user without a purchase in them is not active."""
LONGEST = 90.0
"""Days that stand for "never" where a formula needs a number."""
NAMES = (
    "recency", "days_7", "days_28", "days_56", "days_91", "days_180", "tenure", "interval", "interval_spread",
    "recency_in_intervals", "spend_28", "spend_180", "basket", "lines_28", "looks_7", "looks_28", "since_anything",
    "change",
)  # fmt: skip
RECENCY, FREQUENCY = NAMES.index("recency"), NAMES.index("days_180")


@dataclass(frozen=True)
class Visits:
    """R rows of U users: what one of them did on one day, as one delivery told it. Days count from 1970.

    `known` is the day a row was delivered: what is asked about an earlier day does not see what came after it.
    """

    users: pa.Array  # string [U], sorted
    today: int  # the newest day; nothing after it is known
    user: np.ndarray  # int64 [R]
    day: np.ndarray  # int64 [R]
    known: np.ndarray  # int64 [R]
    lines: np.ndarray  # float64 [R], rows of purchases
    spend: np.ndarray  # float64 [R]
    looks: np.ndarray  # float64 [R], views and carts

    @cached_property
    def first(self) -> int:
        """The first day there is."""
        return int(self.day.min()) if len(self.day) else self.today

    def bought(self, users: np.ndarray, after: int, horizon: int, known: int) -> np.ndarray:
        """bool [n]: who of `users` (indices) bought on the `horizon` days after day `after`, as of day `known`."""
        rows = (self.lines > 0) & (self.day > after) & (self.day <= after + horizon) & (self.known <= known)
        found = np.zeros(len(self.users), dtype=bool)
        found[self.user[rows]] = True
        return found[users]

    def at(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """The active users (indices int64 [n]) at the end of `day`, and their columns float32 [n, len(NAMES)].

        Active: at least one purchase on the `LOOKBACK` days that end with `day`. NaN where a value does not exist.
        """
        rows = (self.day <= day) & (self.day > day - LOOKBACK) & (self.known <= day)
        user, age, lines = self.user[rows], day - self.day[rows], self.lines[rows]
        count = len(self.users)

        def total(chosen: np.ndarray, weight: np.ndarray) -> np.ndarray:
            return np.bincount(user[chosen], weight[chosen], count)

        bought = lines > 0
        key = np.sort(user[bought] * LOOKBACK + age[bought])
        owner, back = np.divmod(key[np.diff(key, prepend=-1) != 0], LOOKBACK)  # newest first in a user
        days = {within: np.bincount(owner[back < within], minlength=count) for within in (7, 28, 56, 91, LOOKBACK)}
        recency, tenure, anything = (np.full(count, np.nan) for _ in range(3))
        np.fmin.at(recency, owner, back.astype(np.float64))
        np.fmax.at(tenure, owner, back.astype(np.float64))
        np.fmin.at(anything, user, age.astype(np.float64))
        interval, spread = _intervals(owner, back, count)
        everything = np.ones(len(user), dtype=bool)
        spend, looks = np.maximum(self.spend[rows], 0), self.looks[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            columns = [
                recency, days[7], days[28], days[56], days[91], days[LOOKBACK], tenure, interval, spread,
                recency / np.maximum(interval, 1), np.log1p(total(age < 28, spend)), np.log1p(total(everything, spend)),
                total(bought, lines) / days[LOOKBACK], total(age < 28, lines), total(age < 7, looks),
                total(age < 28, looks), anything, 2 * days[28] - days[56],
            ]  # fmt: skip
        active = np.flatnonzero(days[LOOKBACK])
        return active, np.stack(columns, axis=1)[active].astype(np.float32)


def _intervals(owner: np.ndarray, back: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the days between a user's purchase days; NaN below two and three such days."""
    inside = np.diff(owner) == 0
    gap, user = np.diff(back)[inside].astype(np.float64), owner[1:][inside]
    gaps = np.bincount(user, minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(user, gap, count) / gaps
        square = np.bincount(user, gap**2, count) / gaps
    return mean, np.where(gaps > 1, np.sqrt(np.maximum(square - mean**2, 0)), np.nan)
