"""What follows a purchase: its return, its rating and review, a review's correction, a message to support.

All of it is decided by the day of the purchase, so a day looks back at most LOOK_BACK days and never at what it did.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from pipelines.sources._shop.lexicon import ASPECTS
from pipelines.sources._shop.queries import Queries
from pipelines.sources._shop.sessions import sessions_of
from pipelines.sources._shop.world import NEVER, World

LONGEST = 21  # days from a purchase to its return, review or message, at most
CORRECTED_WITHIN = 5
LOOK_BACK = LONGEST + CORRECTED_WITHIN
WITHOUT_WORDS = 0.35  # share of ratings that come without a text
CUT = 85  # per cent of the price that a coupon leaves

DELIVERY, FIT = ASPECTS.index("delivery"), ASPECTS.index("fit")


@dataclass(frozen=True)
class Purchases:
    """Every purchase of one day, and the days (NEVER for none) on which something follows from it."""

    day: int
    user: np.ndarray
    known: np.ndarray
    item: np.ndarray
    quantity: np.ndarray
    cents: np.ndarray
    delivered: np.ndarray
    returned: np.ndarray
    rated: np.ndarray  # a rating, with or without words
    worded: np.ndarray  # whether the rating has words
    corrected: np.ndarray
    asked: np.ndarray  # support

    def __len__(self) -> int:
        return len(self.user)


def paid(cents: np.ndarray, campaign: np.ndarray) -> np.ndarray:
    """Cents for a piece, after the coupon where one was redeemed."""
    price: np.ndarray = np.where(campaign >= 0, cents * CUT // 100, cents)
    return price


class Past:
    """Purchases of the days before, made once each and forgotten when they are too old to matter."""

    def __init__(self, world: World, queries: Queries) -> None:
        self.world, self.queries = world, queries
        self._kept: OrderedDict[int, Purchases] = OrderedDict()

    def purchases(self, day: int) -> Purchases:
        if day not in self._kept:
            self._kept[day] = _purchases(self.world, self.queries, day)
            if len(self._kept) > LOOK_BACK + 2:
                self._kept.popitem(last=False)
        return self._kept[day]

    def around(self, day: int) -> list[Purchases]:
        """Purchases of which something may follow on `day`, oldest first."""
        return [self.purchases(d) for d in range(max(0, day - LOOK_BACK), day + 1)]


def _purchases(world: World, queries: Queries, day: int) -> Purchases:
    price = world.items.cents_on(day)
    parts = []
    for chunk in sessions_of(world, queries, day):
        row, place = np.nonzero(chunk.bought)
        item = chunk.items[row, place]
        cents = paid(price[item], chunk.campaign[row, place])
        parts.append((chunk.user[row], chunk.known[row], item, chunk.quantity[row, place], cents))
    user, known, item, quantity, cents = (np.concatenate(column) for column in zip(*parts, strict=True))
    draw, n = world.settings.stream("afterwards", day), len(user)
    quality, overall = world.items.quality[item], world.items.overall[item]
    delivered = day + 1 + draw.poisson(np.exp(0.8 - 0.5 * quality[:, DELIVERY]).clip(max=8)).clip(max=9)
    unhappy = 1 / (1 + np.exp(2.6 + 0.9 * overall + 0.5 * quality[:, FIT]))
    rated = np.where(known & (draw.random(n) < 0.3), delivered + 1 + draw.poisson(2.0, n).clip(max=8), NEVER)
    worded = draw.random(n) >= WITHOUT_WORDS
    corrects = (rated < NEVER) & worded & (draw.random(n) < 0.06)
    return Purchases(
        day=day,
        user=user,
        known=known,
        item=item,
        quantity=quantity,
        cents=cents,
        delivered=delivered,
        returned=np.where(draw.random(n) < unhappy, delivered + draw.integers(1, 11, n), NEVER),
        rated=rated,
        worded=worded,
        corrected=np.where(corrects, rated + draw.integers(1, CORRECTED_WITHIN + 1, n), NEVER),
        asked=np.where(draw.random(n) < 0.12, day + draw.integers(1, 13, n), NEVER),
    )
