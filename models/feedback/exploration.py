"""A small share of list places filled by a draw, with the exact probability of what was drawn.

Logs of lists that never change say nothing of what they leave out: off-policy estimates need a known, positive
propensity. Every place below the first `keep` is drawn from one distribution, given the items above it:

    the item ranked for this place            1 − share
    an item of the pool, with score s         share · exp(s / T) / Σ over the pool

The pool are the user's eligible candidates that are neither ranked anywhere in the list nor drawn above: one place
after the other, without return (Plackett–Luce); a temperature T of infinity draws uniformly (epsilon-greedy). A ranked
item keeps its place or leaves the list, so the two lines never speak of one item and add up to 1. With an empty pool
the ranked item is certain.

The number behind a draw is a hash of seed, the user's key and the place: a list is filled the same whatever else is
filled beside it, in blocks or at once. The seed of a night is its date.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Exploration:
    """`share` of the places below the first `keep`; `temperature` in units of the scores, inf draws uniformly."""

    share: float
    keep: int = 2
    temperature: float = float("inf")

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"share must lie in [0, 1), not {self.share}: a ranked item needs a chance of its own")
        if self.keep < 0 or not self.temperature > 0:
            raise ValueError(f"keep must be 0 or more and temperature above 0: {self}")


@dataclass(frozen=True)
class Filled:
    """`items` int [U, k], −1 is padding; `propensity` float64 [U, k], 0 for padding; `drawn` bool [U, k]."""

    items: np.ndarray
    propensity: np.ndarray
    drawn: np.ndarray


@dataclass(frozen=True)
class Pool:
    """What may be drawn: `items` int [U, C], −1 is none, `scores` float [U, C], `left` bool [U, C], still to be had."""

    items: np.ndarray
    scores: np.ndarray
    left: np.ndarray

    @classmethod
    def of(cls, lists: np.ndarray, candidates: np.ndarray, scores: np.ndarray) -> "Pool":
        """Raises ValueError where a user's candidates repeat, which would double a chance, or a score is no number."""
        ordered = np.sort(candidates, axis=1)
        if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            raise ValueError("a user's candidates hold an item twice")
        if not np.isfinite(scores[candidates >= 0]).all():
            raise ValueError("the score of a candidate is no number")
        left = candidates >= 0
        for ranked in lists.T:
            left &= candidates != ranked[:, None]
        return cls(candidates, np.asarray(scores, np.float64), left)

    def chances(self, how: Exploration) -> np.ndarray:
        """float64 [U, 1 + C]: of the ranked item, then of every candidate; each row sums to 1."""
        scores = np.where(self.left, self.scores, -np.inf)
        top = scores.max(axis=1, initial=-np.inf)
        some = self.left.any(axis=1)
        if np.isinf(how.temperature):
            raised = self.left.astype(np.float64)
        else:
            raised = np.exp((scores - np.where(some, top, 0)[:, None]) / how.temperature)
        total = np.where(some, raised.sum(axis=1), 1.0)
        share = np.where(some, how.share, 0.0)
        return np.column_stack([1 - share, share[:, None] * raised / total[:, None]])


def explore(
    lists: np.ndarray,
    candidates: np.ndarray,
    scores: np.ndarray,
    keys: np.ndarray,
    how: Exploration,
    seed: int,
) -> Filled:
    """Lists with some of their places drawn.

    `lists` int [U, k], the ranked items, −1 pads the end; `candidates` int [U, C], what rules let be drawn for the same
    user, −1 is none, and `scores` float [U, C]; `keys` int [U], a number that stays the user's own (`keys_of`). Padding
    is never filled. With share 0 the lists come back as they are, each item with propensity 1.
    """
    items, drawn = lists.copy(), np.zeros(lists.shape, dtype=bool)
    propensity = np.where(lists >= 0, 1.0, 0.0)
    if not how.share:
        return Filled(items, propensity, drawn)
    pool = Pool.of(lists, candidates, scores)
    for place in range(how.keep, lists.shape[1]):
        rows = np.flatnonzero(lists[:, place] >= 0)
        some, point = pool.left[rows].any(axis=1), uniform(seed, keys[rows], place)
        propensity[rows, place] = np.where(some, 1 - how.share, 1.0)
        opened = some & (point >= 1 - how.share)  # only these few need the chances of the pool
        rows, point = rows[opened], point[opened]
        chances = Pool(candidates[rows], pool.scores[rows], pool.left[rows]).chances(how)
        taken = _at(chances, point)
        propensity[rows, place] = chances[np.arange(len(rows)), taken]
        items[rows, place] = candidates[rows, taken - 1]
        drawn[rows, place] = True
        pool.left[rows, taken - 1] = False
    return Filled(items, propensity, drawn)


def chance_of(
    shown: np.ndarray,
    lists: np.ndarray,
    candidates: np.ndarray,
    scores: np.ndarray,
    how: Exploration,
) -> np.ndarray:
    """The probability float64 [U, k] with which another model would have shown what was shown, given the items above.

    `shown` int [U, k], as logged; the rest as in `explore`, of the other model: its lists, candidates and scores. This
    is the `policy` column of `offpolicy.Logged`. Of a model's own lists it gives the propensities that were logged.
    """
    found = np.zeros(shown.shape)
    pool = Pool.of(lists, candidates, scores)
    for place in range(shown.shape[1]):
        ranked = lists[:, place]
        chances = pool.chances(how if place >= how.keep else Exploration(0.0))
        match = np.column_stack([ranked, np.where(pool.left, candidates, -1)]) == shown[:, place, None]
        found[:, place] = np.where(ranked >= 0, (chances * match).sum(axis=1), 0.0)
        pool.left[candidates == shown[:, place, None]] = False
    found[shown < 0] = 0.0
    return found


def _at(chances: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The column [U] in which a point of [0, 1) falls; rounding at the end never takes what has no chance."""
    reached = np.cumsum(chances, axis=1)
    taken = (point[:, None] >= reached).sum(axis=1)
    last = chances.shape[1] - 1 - (chances[:, ::-1] > 0).argmax(axis=1)
    return np.asarray(np.minimum(taken, last))


def keys_of(users: Iterable[str]) -> np.ndarray:
    """uint64 [U]: a key of each user that depends on nothing but the id (BLAKE2b, 8 bytes)."""
    made = [int.from_bytes(hashlib.blake2b(user.encode(), digest_size=8).digest(), "little") for user in users]
    return np.array(made, dtype=np.uint64)


def uniform(seed: int, keys: np.ndarray, place: int) -> np.ndarray:
    """float64 [U] in [0, 1), a hash of seed, key and place: SplitMix64's mixer (Steele, Lea and Flood 2014)."""
    state = _mixed(np.asarray(keys).astype(np.uint64) ^ _mixed(np.array([seed], dtype=np.uint64)))
    bits = _mixed(state + np.uint64(place + 1)) >> np.uint64(11)
    return np.asarray(bits.astype(np.float64) / 2.0**53)


def _mixed(state: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = state + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))
