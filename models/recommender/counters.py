"""What a greedy pass over many lists keeps count of: items of each group in a list, and how many stand in a row.

`group` int32 [I] counts from 0, -1 is of no group. `items` int32 [B, C] are candidates, -1 is none. `slot` int32 [B, k]
holds, at places that are given away already, an index into `pins` int64 [P], the items that will stand there; else -1.
"""

import numpy as np


def groups_of(group: np.ndarray, items: np.ndarray) -> np.ndarray:
    """int32 [B, C]: the group of each candidate."""
    return np.where(items >= 0, group[np.maximum(items, 0)], -1) if len(group) else np.full(items.shape, -1, np.int32)


class Counted:
    """How many items of each group stand in each list."""

    def __init__(self, group: np.ndarray, items: np.ndarray) -> None:
        self.group, self.groups = group, groups_of(group, items)
        # The last column is where items of no group are counted, by their index of -1; nobody reads it.
        self.counts = np.zeros((len(items), int(group.max(initial=-1)) + 2), dtype=np.int32)

    def of(self, item: int) -> np.ndarray:
        """int32 [B]: how many of this item's group."""
        group = self.group[item]
        return self.counts[:, group] if group >= 0 else np.zeros(len(self.counts), dtype=np.int32)

    def at(self, rows: np.ndarray, width: int) -> np.ndarray:
        """int32 [rows, width]: how many of the group of each of the first candidates; 0 for those of no group."""
        groups = self.groups[rows, :width]
        return np.where(groups >= 0, self.counts[rows[:, None], groups], 0)

    def add(self, rows: np.ndarray, items: np.ndarray) -> None:
        """One item [rows] more in each of these lists."""
        self.counts[rows, self.group[items]] += 1


class Streak:
    """The group that stands last in each list, and how many times in a row."""

    def __init__(self, group: np.ndarray, items: np.ndarray) -> None:
        self.group, self.groups = group, groups_of(group, items)
        self.last = np.full(len(items), -1)
        self.length = np.zeros(len(items), dtype=np.int32)

    def stand(self, rows: np.ndarray, items: np.ndarray) -> None:
        """An item [rows] comes to stand last in each of these lists."""
        group = self.group[items]
        self.length[rows] = np.where(group == self.last[rows], self.length[rows], 0) + 1
        self.last[rows] = group

    def before(self, slot: np.ndarray, pins: np.ndarray, item: int, place: int) -> np.ndarray:
        """int [B]: how many pins of the item's group stand directly before `place`."""
        group, length = self._first_streak(slot[:, :place][:, ::-1], pins)
        return np.where((group == self.group[item]) & (group >= 0), length, 0)

    def would_be(
        self, rows: np.ndarray, groups: np.ndarray, slot: np.ndarray, pins: np.ndarray, place: int
    ) -> np.ndarray:
        """int [rows, n]: how long the run would be, given pins after it included, with an item of each of `groups`
        [rows, n] at `place`; 0 for those of no group.
        """
        following, length = self._first_streak(slot[rows, place + 1 :], pins)
        run = 1 + np.where(groups == self.last[rows][:, None], self.length[rows][:, None], 0)
        run = run + np.where(groups == following[:, None], length[:, None], 0)
        return np.where(groups >= 0, run, 0)

    def _first_streak(self, slot: np.ndarray, pins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The group of the pin in the first column, and how many columns on it stays the same, [B] each."""
        groups = np.append(self.group[pins], -1)[slot]
        first = groups[:, 0] if groups.shape[1] else np.full(len(groups), -1)
        return first, np.logical_and.accumulate(groups == first[:, None], axis=1).sum(axis=1)
