"""What a person had before: a decayed count of each item, after each moment.

Where all items stand in the normaliser `personal` counts every pair. Where they are drawn, hardly any pair is asked
for, and `Past` looks them up in what was counted once, so that a batch costs what it asks and not what people did.
"""

from dataclasses import dataclass

import numpy as np

from models.recommender.history import ragged
from models.recommender.net import HALF_LIVES
from models.recommender.sequences import Moments


@dataclass(frozen=True)
class Personal:
    """Q pairs (state, item of its past), each once, with log(1 + decayed count) for each half-life."""

    state: np.ndarray  # int64 [Q]
    item: np.ndarray  # int64 [Q]
    feature: np.ndarray  # float32 [Q, len(HALF_LIVES)]


def personal(found: Moments, moment: np.ndarray, items: int) -> Personal:
    """Of the states after these moments [S]: every item their user had up to then, however long ago; pairs sorted."""
    state, earlier = ragged(found.offsets[owners(found, moment)], moment + 1)
    row, position = ragged(found.first[earlier], found.first[earlier + 1])
    age = (found.day[moment][state] - found.day[earlier])[row]
    key, pair = np.unique(state[row] * items + found.item[position], return_inverse=True)
    weight = found.weight[position]
    sums = [np.bincount(pair, weight * np.exp2(-age / half_life), len(key)) for half_life in HALF_LIVES]
    return Personal(key // items, key % items, np.log1p(np.stack(sums, axis=1)).astype(np.float32))


def owners(found: Moments, moment: np.ndarray) -> np.ndarray:
    """int64, the user of each of these moments."""
    return np.searchsorted(found.offsets, moment, side="right") - 1


class Past:
    """The same for pairs that are asked for, from the decayed count after every event, counted once.

    C(e) = weight(e) + C(e') · 2^(-days between / half-life), e' being the event before of the same person and item.
    """

    def __init__(self, found: Moments, items: int) -> None:
        """Sorts all N events once, and keeps 40 bytes of each."""
        self.found = found
        self._moment = np.repeat(np.arange(len(found.day), dtype=np.int32), np.diff(found.first))
        user = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))[self._moment]
        key = user * items + found.item
        order = np.argsort(key, kind="stable")
        again = key[order][1:] == key[order][:-1]
        self._before = np.full(len(order), -1, np.int64)
        self._before[order[1:][again]] = order[:-1][again]
        self._until = found.offsets[1:][user]  # the moment in which the same person has the same item again
        self._until[order[:-1][again]] = self._moment[order[1:][again]]
        self._count = np.repeat(found.weight[:, None], len(HALF_LIVES), axis=1)
        self._add_before(order, again)

    def _add_before(self, order: np.ndarray, again: np.ndarray) -> None:
        """All second events of a person and item, then all third ones, and so on: each needs the one before."""
        start = np.flatnonzero(np.append(True, ~again)[: len(order)])
        size = np.diff(np.append(start, len(order)))
        for nth in range(1, int(size.max(initial=0))):
            start, size = start[size > nth], size[size > nth]
            event, before = order[start + nth], order[start + nth - 1]
            day = self.found.day
            age = day[self._moment[event]] - day[self._moment[before]]
            self._count[event] += self._count[before] * _decay(age)

    def of_targets(self, event: np.ndarray, moment: np.ndarray) -> np.ndarray:
        """float32 [P, H]: of the item of each event, what its person had of it up to this earlier moment [P]."""
        last = self._before[event]
        rows = np.flatnonzero((last >= 0) & (self._moment[last] > moment))
        while len(rows):
            last[rows] = self._before[last[rows]]
            rows = rows[(last[rows] >= 0) & (self._moment[last[rows]] > moment[rows])]
        had = np.zeros((len(event), len(HALF_LIVES)), np.float32)
        some = np.flatnonzero(last >= 0)
        had[some] = self._feature(last[some], moment[some])
        return had

    def among(self, moment: np.ndarray, place: np.ndarray) -> Personal:
        """Of the states after these moments [S], in any order: the items that have a `place` int64 [I] ≥ 0, which is
        what `Personal.item` says here.
        """
        sequel = (np.diff(moment) == 1) & (np.diff(owners(self.found, moment)) == 0)
        first = np.flatnonzero(np.append(True, ~sequel)) if len(moment) else np.zeros(0, np.int64)
        begin, end = moment[first], moment[first] + np.diff(np.append(first, len(moment)))
        offsets = self.found.offsets[owners(self.found, begin)]
        run, position = ragged(self.found.first[offsets], self.found.first[end])
        kept = place[self.found.item[position]] >= 0
        run, position = run[kept], position[kept]
        # An event is the last of its item from its own moment on, until the item comes again.
        low = np.maximum(self._moment[position], begin[run])
        row, after = ragged(low, np.maximum(np.minimum(self._until[position], end[run]), low))
        position, run = position[row], run[row]
        return Personal(
            first[run] + after - begin[run], place[self.found.item[position]], self._feature(position, after)
        )

    def _feature(self, last: np.ndarray, moment: np.ndarray) -> np.ndarray:
        age = self.found.day[moment] - self.found.day[self._moment[last]]
        return np.log1p(self._count[last] * _decay(age))


def _decay(age: np.ndarray) -> np.ndarray:
    """float32 [n, H] of days."""
    return np.exp2(-age[:, None] / np.array(HALF_LIVES, np.float32))
