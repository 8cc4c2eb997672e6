"""Histories as packed rows of moments: several people's windows share a row, attention is kept inside each window.

A *moment* is one person's events with the same time: a receipt, or one page view. Nothing orders the items inside it,
so it is one token, the sum of its items; where each event has a time of its own, a token is an event.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.interactions import MICROSECONDS_PER_DAY, Interactions
from models.recommender.configs import EVENT_WEIGHTS
from models.recommender.history import ragged


@dataclass(frozen=True)
class Moments:
    """N events in M moments of U users, in time order inside each user. Item codes count from 0 in a vocabulary."""

    item: np.ndarray  # int64 [N]
    event: np.ndarray  # int64 [N], index into EVENTS
    weight: np.ndarray  # float32 [N], see EVENT_WEIGHTS
    first: np.ndarray  # int64 [M + 1], the events of moment m are first[m]:first[m + 1]
    day: np.ndarray  # float32 [M], days since the first moment of all
    offsets: np.ndarray  # int64 [U + 1], the moments of user u


@dataclass(frozen=True)
class Packed:
    """R rows of L moments. `segment` tells apart the windows that share a row."""

    moment: np.ndarray  # int64 [R, L], row in Moments; -1 is padding
    segment: np.ndarray  # int32 [R, L], 0 is padding

    def __getitem__(self, rows: slice) -> "Packed":
        return Packed(self.moment[rows], self.segment[rows])


def codes_of(data: Interactions, items: pa.Array) -> np.ndarray:
    """int64 [I]: the place in `items` of each item of `data`, -1 where it is not among them."""
    return pc.fill_null(pc.index_in(data.items, value_set=items), -1).to_numpy().astype(np.int64)


def moments(data: Interactions, code: np.ndarray, users: np.ndarray) -> Moments:
    """The moments of these users (indices, [U]); an item with code −1 is left out (`code` from `codes_of`)."""
    owner, position = ragged(data.offsets[users], data.offsets[users + 1])
    known = code[data.item[position]] >= 0
    owner, position = owner[known], position[known]
    time, event = data.time[position], data.event[position]
    new = np.ones(len(time), dtype=bool)
    new[1:] = (np.diff(time) != 0) | (np.diff(owner) != 0)
    begin = np.flatnonzero(new)
    origin = int(time.min()) if len(time) else 0
    return Moments(
        item=code[data.item[position]],
        event=event.astype(np.int64),
        weight=np.asarray(EVENT_WEIGHTS, dtype=np.float32)[event],
        first=np.append(begin, len(time)).astype(np.int64),
        day=((time[begin] - origin) / MICROSECONDS_PER_DAY).astype(np.float32),
        offsets=np.concatenate([[0], np.cumsum(np.bincount(owner[begin], minlength=len(users)))]).astype(np.int64),
    )


def future(found: Moments, horizon_days: float) -> np.ndarray:
    """int64 [M]: the moment after the last one of the same user within `horizon_days`.

    At least one later moment counts, however far; for a user's last moment the result is the moment after itself.
    """
    count = len(found.day)
    owner = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
    # Moments are sorted by (user, day): one search over user-major keys finds where each horizon ends.
    span = float(found.day.max(initial=0)) + horizon_days + 1
    key = owner * span + found.day
    end = np.searchsorted(key, key + horizon_days, side="right")
    return np.minimum(np.maximum(end, np.arange(count) + 2), found.offsets[1:][owner])


def windows(found: Moments, length: int, shift: np.ndarray) -> np.ndarray:
    """int64 [W, 2]: ranges of at most `length` moments that cover each user, the first shortened by `shift` [U]."""
    size = np.diff(found.offsets)
    count = np.where(size > 0, -(-(size + shift) // length), 0)
    user, place = ragged(np.zeros(len(size), np.int64), count)
    begin = found.offsets[user] - shift[user] + place * length
    start, end = np.maximum(begin, found.offsets[user]), np.minimum(begin + length, found.offsets[user + 1])
    return np.stack([start, end], axis=1)[end > start]


def newest(found: Moments, length: int) -> np.ndarray:
    """int64 [U, 2]: the newest `length` moments of each user; empty ranges for users without any."""
    end = found.offsets[1:]
    return np.stack([np.maximum(found.offsets[:-1], end - length), end], axis=1)


def pack(ranges: np.ndarray, length: int) -> Packed:
    """Lay ranges of moments into rows of `length`, in their order; a new row where the next one does not fit."""
    row, place = _next_fit(ranges[:, 1] - ranges[:, 0], length)
    number, moment = ragged(ranges[:, 0], ranges[:, 1])
    rows = int(row[-1]) + 1 if len(row) else 0
    flat = row[number] * length + place[number] + moment - ranges[number, 0]
    grid, segment = np.full(rows * length, -1, dtype=np.int64), np.zeros(rows * length, dtype=np.int32)
    grid[flat], segment[flat] = moment, number + 1
    return Packed(grid.reshape(rows, length), segment.reshape(rows, length))


def _next_fit(size: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and first column of each window. A loop, since each place depends on the one before."""
    row, place = np.empty(len(size), np.int64), np.empty(len(size), np.int64)
    current, used = 0, 0
    for index, width in enumerate(size.tolist()):
        if used + width > length:
            current, used = current + 1, 0
        row[index], place[index] = current, used
        used += width
    return row, place


def vocabulary(data: Interactions, min_users: int) -> pa.Array:
    """string [V], sorted: the items that at least `min_users` people had an event with."""
    pairs = np.unique(data.user.astype(np.int64) * len(data.items) + data.item)
    support = np.bincount(pairs % max(1, len(data.items)), minlength=len(data.items))
    return data.items.take(pa.array(np.flatnonzero(support >= min_users)))
