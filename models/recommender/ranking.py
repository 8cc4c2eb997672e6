"""Exact top-k with a stated order of ties: higher score first, then the smaller item id."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy import sparse

from models.beside import side_by_side
from models.interactions import Interactions

BLOCK_CELLS = 16_000_000
"""Scores of one block of users (64 MB of float32), whatever the catalogue; up to `beside.MOST` blocks at once."""


class Recommender(Protocol):
    """What every floor offers. `users` and `items` are indices into the vocabularies of `data`."""

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        """float32 [B, I]: evidence for each item; 0 or less means none."""

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """int32 [B, k]: for `items` int [B, k], the history item that speaks most for each; -1 where none does."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by name: all that is saved."""


def top_k(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best columns of each row: indices int32 and values float32, both [B, k]; -1 and -inf pad short rows.

    Columns of -inf are never taken. Equal values are ordered by column, also across the k-th place.
    """
    columns = scores.shape[1]
    k_found = min(k, columns)
    values, index = (t.numpy() for t in torch.topk(torch.from_numpy(scores), min(k_found + 1, columns), dim=1))
    if values.shape[1] > k_found:
        tied = (values[:, k_found - 1] == values[:, k_found]) & (values[:, k_found] > -np.inf)
        values, index = values[:, :k_found].copy(), index[:, :k_found].copy()
        for row in np.flatnonzero(tied):
            candidates = np.flatnonzero(scores[row] >= values[row, -1])
            best = candidates[np.argsort(-scores[row, candidates], kind="stable")[:k_found]]
            values[row], index[row] = scores[row, best], best
    order = np.lexsort((index, -values), axis=1)
    values, index = np.take_along_axis(values, order, 1), np.take_along_axis(index, order, 1)
    index = np.where(values > -np.inf, index, -1).astype(np.int32)
    pad = ((0, 0), (0, k - k_found))
    return np.pad(index, pad, constant_values=-1), np.pad(values, pad, constant_values=-np.inf)


@dataclass(frozen=True)
class Ranked:
    """Lists of a block of B users. `scores` is 0 where a list was filled from the popular items, -inf in padding."""

    users: np.ndarray  # int [B]
    items: np.ndarray  # int32 [B, k], -1 is padding
    scores: np.ndarray  # float32 [B, k]
    evidence: np.ndarray  # int32 [B, k]: the history item behind each place; -1 where none is, or none was asked for

    def first(self, k: int) -> "Ranked":
        """The first k places of each list."""
        return Ranked(self.users, self.items[:, :k], self.scores[:, :k], self.evidence[:, :k])

    @property
    def filled(self) -> np.ndarray:
        return (self.items >= 0) & (self.scores == 0)


def rank_users(
    model: Recommender,
    data: Interactions,
    users: np.ndarray,
    k: int,
    fill: np.ndarray,
    available: np.ndarray,
    seen: sparse.csr_array | None = None,
    block_cells: int = BLOCK_CELLS,
    with_evidence: bool = False,
    spare: int = 0,
) -> Iterator[Ranked]:
    """Lists for `users`, block by block: items with evidence by score, then the items of `fill` in their order.

    With `spare` so many items more, without evidence, follow the k of each list.

    `fill` int [F] are distinct item indices, most popular first; `available` bool [I]; `seen` bool [U, I] is masked.
    Blocks are worked on side by side and come in the order of `users`.
    """
    place = np.full(len(data.items), -np.inf, dtype=np.float32)
    place[fill] = -1 - np.arange(len(fill), dtype=np.float32)  # below every score, in the order of the fill
    place[~available] = -np.inf
    size = max(1, block_cells // max(1, len(data.items)))

    def ranked(start: int) -> Ranked:
        block = users[start : start + size]
        scores = model.scores(data, block)
        scores = np.where((scores > 0) & available, scores, place)
        if seen is not None:
            masked = seen[block].tocoo()
            scores[masked.row, masked.col] = -np.inf
        items, values = top_k(scores, k + spare)
        values = np.where((values < 0) & (items >= 0), np.float32(0), values)
        evidence = np.full(items.shape, -1, dtype=np.int32)
        if with_evidence:
            named = model.evidence(data, block, items[:, :k])
            evidence[:, :k] = np.where(values[:, :k] == 0, evidence[:, :k], named)
        return Ranked(block, items, values, evidence)

    yield from side_by_side(ranked, range(0, len(users), size))
