"""A user's history as weights on items: the left factor of every item-to-item model."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.interactions import MICROSECONDS_PER_DAY, PURCHASE, Interactions
from models.recommender.configs import EVENT_WEIGHTS


@dataclass(frozen=True)
class Weighting:
    """w(u, i) = (sum over u's events e with i of  event_weight(e) · gamma^age(e) · 2^(−days(e) / half_life))^power.

    `age` counts the moments (receipts, page views) of the user since e, 0 for the latest; `days` counts from the end of
    the day the data stands for. Only the newest `max_events` events are read.
    """

    gamma: float = 1.0
    half_life_days: float = float("inf")
    power: float = 1.0
    max_events: int = 500


def history_weights(data: Interactions, users: np.ndarray, weighting: Weighting) -> sparse.csr_array:
    """float32 [B, I] with sorted indices, for the users at these indices."""
    end = data.offsets[users + 1]
    start = np.maximum(data.offsets[users], end - weighting.max_events)
    row, event = ragged(start, end)
    days = (data.end - data.time[event]) / MICROSECONDS_PER_DAY
    weight = np.asarray(EVENT_WEIGHTS)[data.event[event]] * np.exp2(-days / weighting.half_life_days)
    if weighting.gamma != 1:
        weight *= weighting.gamma ** _age(data, event, row)
    matrix = _sum((weight, (row, data.item[event])), (len(users), len(data.items)))
    matrix.data **= weighting.power
    return matrix.astype(np.float32)


def _age(data: Interactions, event: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Moments since each gathered event; `event` is grouped by `row` and ascending inside it."""
    step = np.zeros(len(event), dtype=np.int64)
    step[1:] = (np.diff(data.time[event]) != 0) & (np.diff(row) == 0)
    running = np.cumsum(step)
    newest = np.zeros(row[-1] + 1 if len(row) else 0, dtype=np.int64)
    np.maximum.at(newest, row, running)
    return newest[row] - running


def purchase_counts(data: Interactions, users: np.ndarray) -> sparse.csr_array:
    """float64 [B, I]: how often each of these users bought each item."""
    row, event = ragged(data.offsets[users], data.offsets[users + 1])
    keep = data.event[event] == PURCHASE
    row, item = row[keep], data.item[event[keep]]
    return _sum((np.ones(len(row)), (row, item)), (len(users), len(data.items)))


def ragged(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row number and position of every element of the ranges start[r]:end[r], laid end to end."""
    length = end - start
    row = np.repeat(np.arange(len(start)), length)
    position = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length) + np.repeat(start, length)
    return row, position


def _sum(entries: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]], shape: tuple[int, int]) -> sparse.csr_array:
    matrix = sparse.csr_array(entries, shape=shape)
    matrix.sum_duplicates()
    return matrix


def lookup(matrix: sparse.csr_array | np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries [P] at pairs of indices, whether the matrix is sparse or dense."""
    if not len(rows):
        return np.zeros(0, dtype=matrix.dtype)  # scipy would give a sparse array
    return np.asarray(matrix[rows, columns])
