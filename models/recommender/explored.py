"""Lists with a few places drawn from the next best items, so that the limits of business rules still hold.

What may be drawn is chosen beforehand: a list that takes all of it, and all that was ranked, would keep every cap and
every run. So whichever places are drawn, the list that comes out keeps them too, and no draw depends on another but by
what it has taken: the propensities stay those of `models.feedback.exploration`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.feedback.exploration import Exploration, Filled, Pool, explore
from models.recommender.counters import Counted
from models.recommender.ranking import Ranked
from models.recommender.rules import Policy

POOL = 20
"""Of the items ranked behind a list, so many may be drawn into it."""


@dataclass(frozen=True)
class Spare:
    """What may be drawn into each of B lists: `items` int32 [B, S], -1 is none, the best first; `scores` [B, S]."""

    items: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Explorer:
    """Draws the lists of a night. Of all users: `keys` uint64 [U] (`exploration.keys_of`), `among` bool [U], whose."""

    how: Exploration
    keys: np.ndarray
    among: np.ndarray
    seed: int

    def fill(self, users: np.ndarray, lists: np.ndarray, held: np.ndarray, spare: Spare) -> Filled:
        """`lists` int [B, k] of `users` int [B], filled; places that are `held` bool [B, k] stay as they are."""
        scores, held = np.where(spare.items >= 0, spare.scores, 0), held | ~self.among[users][:, None]
        filled = explore(np.where(held, -1, lists), spare.items, scores, self.keys[users], self.how, self.seed)
        return replace(
            filled,
            items=np.where(held, lists, filled.items),
            propensity=np.where(held & (lists >= 0), 1.0, filled.propensity),
        )

    def choices(
        self, users: np.ndarray, shown: np.ndarray, lists: np.ndarray, held: np.ndarray, spare: Spare
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each place, what `fill` might have put there below what was shown above it, `shown` int [B, k].

        Items int [B, 1 + S], -1 is none, and their probability float64 [B, 1 + S]; that of what was shown is
        `exploration.chance_of`.
        """
        scores, held = np.where(spare.items >= 0, spare.scores, 0), held | ~self.among[users][:, None]
        pool = Pool.of(np.where(held, -1, lists), spare.items, scores)
        for place in range(lists.shape[1]):
            ranked = lists[:, place]
            chances = pool.chances(self.how if place >= self.how.keep else Exploration(0.0))
            chances[held[:, place]] = 0
            chances[held[:, place], 0] = 1
            chances[ranked < 0] = 0
            items = np.column_stack([ranked, np.where(pool.left, spare.items, -1)])
            yield items, chances
            pool.left[spare.items == shown[:, place, None]] = False


def spare_of(ranked: Ranked, lists: np.ndarray, most: int = POOL) -> Spare:
    """The best `most` of `ranked` [B, C] that their list, int [B, k], does not hold."""
    listed = (ranked.items[:, :, None] == lists[:, None, :]).any(axis=2)
    left = np.where(listed, -1, ranked.items)
    order = np.argsort(left < 0, axis=1, kind="stable")[:, :most]
    return Spare(np.take_along_axis(left, order, 1), np.take_along_axis(ranked.scores, order, 1))


def within(policy: Policy, lists: np.ndarray, spare: Spare) -> Spare:
    """Without what a cap or a run could forbid: the first few of each group that fit beside all of it in the list."""
    items, everybody = spare.items.copy(), np.arange(len(lists))
    for limit in (*policy.caps, *policy.runs):
        counted = Counted(limit.group, items)
        for place in range(lists.shape[1]):
            rows = np.flatnonzero(lists[:, place] >= 0)
            counted.add(rows, lists[rows, place])
        for column in range(items.shape[1]):
            fits = (items[:, column] >= 0) & (counted.at(everybody, items.shape[1])[:, column] < limit.most)
            items[:, column] = np.where(fits, items[:, column], -1)
            counted.add(np.flatnonzero(fits), items[fits, column])
    return replace(spare, items=items)


def held_by_pins(policy: Policy, touched: np.ndarray) -> np.ndarray:
    """bool [B, k]: places where a pin stands; `touched` bool [B, k, rules]."""
    return np.asarray(touched[..., [pin.rule for pin in policy.pins]].any(axis=2))
