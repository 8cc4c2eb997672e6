"""What each past item carries of a score: the share of it that is lost when the item is taken out of the history."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from models.interactions import Interactions
from models.recommender.history import ragged
from models.recommender.ranking import BLOCK_CELLS, Recommender

LEAST = 0.1
"""Share of its score that an item must lose for a past item to be named; below it the crowd carries it."""
NEWEST_EVENTS = 500
"""Events of a user whose items may be named."""
RESCORED = 8
"""Past items of a user that are taken out in turn, where a model has no closed form: each costs as much as a user."""
CELLS = 4_000_000
"""Numbers held at once for pairs of a past item and a listed one."""


@dataclass(frozen=True)
class Sources:
    """P pairs of a user and a past item: grouped by user, each user's different items in order of their ids."""

    row: np.ndarray  # int64 [P], place among the users asked about
    item: np.ndarray  # int64 [P]
    latest: np.ndarray  # int64 [P], row in Interactions of the newest event with it
    first: np.ndarray  # int64 [B + 1], the pairs of user b are first[b]:first[b + 1]

    def of(self, users: np.ndarray) -> "Sources":
        """Those of some of the users, given by their places, ascending."""
        row, pair = ragged(self.first[users], self.first[users + 1])
        first = np.concatenate([[0], np.cumsum(np.diff(self.first)[users])]).astype(np.int64)
        return Sources(row, self.item[pair], self.latest[pair], first)


@runtime_checkable
class Additive(Protocol):
    """A model that knows without scoring again what would be lost."""

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        """float32 [P, k]: share of the score of each of the user's `items` that is lost without the past item."""


def sources_of(data: Interactions, users: np.ndarray) -> Sources:
    """The different items among the newest `NEWEST_EVENTS` events of each of these users (indices, [B])."""
    end = data.offsets[users + 1]
    row, event = ragged(np.maximum(data.offsets[users], end - NEWEST_EVENTS), end)
    key = row * len(data.items) + data.item[event]
    order = np.lexsort((event, key))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = np.diff(key[order]) != 0
    chosen = order[last]
    first = np.concatenate([[0], np.cumsum(np.bincount(row[chosen], minlength=len(users)))])
    return Sources(row[chosen], data.item[event[chosen]].astype(np.int64), event[chosen], first.astype(np.int64))


def without(data: Interactions, users: np.ndarray, items: np.ndarray) -> Interactions:
    """P people, of whom person p has the history of `users[p]` less every event with `items[p]`."""
    row, event = ragged(data.offsets[users], data.offsets[users + 1])
    kept = data.item[event] != items[row]
    row, event = row[kept], event[kept]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(users)))]).astype(np.int64)
    names = pa.array([f"{place:09d}" for place in range(len(users))], pa.string())
    events = data.item[event], data.event[event], data.time[event]
    return Interactions(data.as_of, names, data.items, *events, offsets, data.content, data.opinions)


def evidence(model: Recommender, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """int32 [B, k]: of each listed item (−1 is padding) the past item that it loses most without, as `strongest`."""
    found = [np.empty((0, items.shape[1]), dtype=np.int32)]
    for block in blocks(*items.shape):
        sources = sources_of(data, users[block])
        gone = lost(model, data, users[block], items[block], sources)
        found.append(strongest(gone, sources, items[block]))
    return np.concatenate(found)


def blocks(users: int, k: int) -> Iterator[slice]:
    """Users asked about at once: what bounds the memory, and changes nothing else."""
    size = max(1, CELLS // max(1, k * NEWEST_EVENTS))
    return (slice(start, start + size) for start in range(0, users, size))


def lost(model: Recommender, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
    """float32 [P, k], as `Additive.lost`; `items` int [B, k], −1 is padding.

    Without a closed form, an item that its user had before is taken to carry itself, and for the rest of the list the
    history is scored again without each of the newest `RESCORED` items; the others are taken to carry nothing. How
    often that is right is measured (`docs/explanations.md`).
    """
    if isinstance(model, Additive):
        return model.lost(data, users, items, sources)
    before = _scored(model, data, users, items)
    own = (sources.item[:, None] == items[sources.row]) & (before[sources.row] > 0)
    unexplained = before > 0
    pair, column = np.nonzero(own)
    unexplained[sources.row[pair], column] = False
    order = np.lexsort((-sources.latest, sources.row))
    age = np.empty(len(order), dtype=np.int64)
    age[order] = np.arange(len(order)) - sources.first[sources.row[order]]
    chosen = (age < RESCORED) & np.any(unexplained, axis=1)[sources.row]
    return np.where(own, np.float32(1), rescored(model, data, users, items, sources, chosen, before))


def rescored(
    model: Recommender,
    data: Interactions,
    users: np.ndarray,
    items: np.ndarray,
    sources: Sources,
    chosen: np.ndarray,
    before: np.ndarray,
) -> np.ndarray:
    """float32 [P, k]: the lost shares of the scores `before` [B, k], by scoring again; 0 for pairs not `chosen`."""
    result = np.zeros((len(sources.row), items.shape[1]), dtype=np.float32)
    pairs = np.flatnonzero(chosen)
    for part in _parts(len(pairs), data):
        row = sources.row[pairs[part]]
        short = without(data, users[row], sources.item[pairs[part]])
        after = _scored(model, short, np.arange(len(row)), items[row])
        result[pairs[part]] = np.where(before[row] > 0, 1 - after / np.maximum(before[row], 1e-30), 0)
    return result


def _scored(model: Recommender, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """float32 [B, k]: the scores of the listed items, 0 where there is no evidence."""
    found = np.zeros(items.shape, dtype=np.float32)
    for part in _parts(len(users), data):
        scores = np.take_along_axis(model.scores(data, users[part]), np.maximum(items[part], 0), 1)
        found[part] = np.where(items[part] >= 0, np.maximum(scores, 0), 0)
    return found


def _parts(count: int, data: Interactions) -> Iterator[slice]:
    size = max(1, BLOCK_CELLS // max(1, len(data.items)))
    return (slice(start, start + size) for start in range(0, count, size))


def shares(part: np.ndarray, sources: Sources) -> np.ndarray:
    """Contributions [P, k] as shares of their sums over each user's sources; 0 where a sum is not positive."""
    total = np.zeros((len(sources.first) - 1, part.shape[1]))
    filled = np.flatnonzero(np.diff(sources.first))
    if len(filled):
        total[filled] = np.add.reduceat(part, sources.first[filled], axis=0)
    of = total[sources.row]
    return np.where(of > 0, part / np.where(of > 0, of, 1), 0).astype(np.float32)


def strongest(found: np.ndarray, sources: Sources, items: np.ndarray) -> np.ndarray:
    """int32 [B, k]: of each listed item, the past item whose loss [P, k] is the largest; ties by item id.

    −1 where none reaches `LEAST`, and in padding.
    """
    result = np.full(items.shape, -1, dtype=np.int32)
    filled = np.flatnonzero(np.diff(sources.first))
    if len(filled):
        starts = sources.first[filled]
        best = np.maximum.reduceat(found, starts, axis=0)
        place = np.arange(len(found))[:, None]
        is_best = found == np.repeat(best, np.diff(np.append(starts, len(found))), axis=0)
        first = np.minimum.reduceat(np.where(is_best, place, len(found)), starts, axis=0)
        result[filled] = np.where(best >= LEAST, sources.item[first], -1)
    return np.where(items >= 0, result, -1).astype(np.int32)
