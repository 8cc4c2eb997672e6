"""Lists under business rules: masked before ranking, arranged from as many candidates as it takes.

A list is what the greedy pass of `rules.arrange` makes of everything that may be listed. It begins with the best few
candidates; only the lists that more candidates could change are ranked again with more, until the catalogue ends. So a
list does not depend on how many there were at first, nor on how users are blocked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.item_to_item import ItemToItem
from models.recommender.popular import PopularModel
from models.recommender.ranking import BLOCK_CELLS, Ranked, Recommender, rank_users
from models.recommender.rules import Arranged, Candidates, Policy, arrange

WIDER = 16
"""Times as many candidates for the lists that want more: each time they are scored again."""
FEWER = 8
"""Times fewer users in a block where candidates are many: they are held along with the scores."""


@dataclass(frozen=True)
class Ruled:
    """Lists of B users or items. `scores` is the model's times the boosts; 0 for pins and what filled a list up."""

    users: np.ndarray  # int [B]
    items: np.ndarray  # int32 [B, k], -1 is padding
    scores: np.ndarray  # float [B, k]
    evidence: np.ndarray  # int32 [B, k]; -1 for pins, and where none is
    touched: np.ndarray  # bool [B, k, rules]


class Boosted:
    """A model whose scores count `factor` float32 [I] times; the evidence stays the model's own."""

    def __init__(self, model: Recommender, factor: np.ndarray) -> None:
        self.model, self.factor = model, factor

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        return self.model.scores(data, users) * self.factor

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.model.evidence(data, users, items)

    def arrays(self) -> dict[str, np.ndarray]:
        return self.model.arrays()


@dataclass(frozen=True)
class Crowd:
    """Popular items under the boosts of a policy: the fill of customers' lists, and visitors' lists themselves."""

    order: np.ndarray  # int64 [I], most popular first
    strength: np.ndarray  # float64 [I]


def crowd(recent: np.ndarray, overall: np.ndarray, tie: np.ndarray, factor: np.ndarray) -> Crowd:
    """Order and strength by boosted popularity; ties by `tie` int [I], the place of each item in another order."""
    recent, overall = recent * factor, overall * factor
    order = np.lexsort((tie, -overall, -recent))
    return Crowd(order, recent + overall.astype(np.float64) / (1e3 * (1 + overall.max(initial=0))))


def rank_by_rules(
    model: Recommender,
    data: Interactions,
    users: np.ndarray,
    k: int,
    popular: PopularModel,
    available: np.ndarray,
    masked: sparse.csr_array | None,
    policy: Policy,
    block_cells: int = BLOCK_CELLS,
) -> Iterator[Ruled]:
    """Lists for `users` int [B] under one policy, block by block; see `ranking.rank_users` for the arguments.

    `masked` bool [U, I]: what single users may not be shown, besides what the policy hides from all of them.
    """
    factor = policy.factor
    fill = crowd(popular.recent, popular.overall, np.arange(len(factor)), factor)
    boosted = Boosted(model, factor) if policy.boosts else model
    allowed = available & ~policy.hidden

    def ranked(wanted: np.ndarray, wide: int, cells: int, with_evidence: bool) -> Iterator[Ranked]:
        return rank_users(boosted, data, wanted, wide, fill.order, allowed, masked, cells, with_evidence)

    def ruled(block: Ranked) -> tuple[Ruled, np.ndarray]:
        filled = block.filled
        # What has a score comes before what fills up, so strengths are only compared within either.
        strength = np.where(filled, fill.strength[np.maximum(block.items, 0)], np.maximum(block.scores, 0))
        found = Candidates(block.items, strength, filled, _complete(block.items, len(factor)))
        placed = arrange(found, k, policy, allowed, _pinnable(policy, allowed, masked, block.users))
        return _read(block, placed), placed.settled

    wide = policy.candidates(k)
    for block in ranked(users, wide, block_cells, with_evidence=True):
        lists, settled = ruled(block)
        wanting, wider = np.flatnonzero(~settled), wide
        again = wanting
        while len(wanting):
            wider *= WIDER
            unsettled, start = [], 0
            # Evidence for every candidate would take far longer than for what is listed in the end.
            for part in ranked(block.users[wanting], wider, block_cells // FEWER, with_evidence=False):
                better, settled = ruled(part)
                rows = wanting[start : start + len(part.users)]
                _put(lists, rows, better)
                unsettled.append(rows[~settled])
                start += len(rows)
            wanting = np.concatenate(unsettled)
        if len(again):
            scored = np.where(lists.scores[again] > 0, lists.items[again], -1)
            lists.evidence[again] = np.where(scored >= 0, model.evidence(data, block.users[again], scored), -1)
        yield lists


def _complete(items: np.ndarray, catalogue: int) -> np.ndarray:
    """bool [B]: the candidates are all there is."""
    if items.shape[1] == 0 or items.shape[1] >= catalogue:
        return np.ones(len(items), dtype=bool)
    return items[:, -1] < 0


def _pinnable(policy: Policy, allowed: np.ndarray, masked: sparse.csr_array | None, users: np.ndarray) -> np.ndarray:
    """bool [B, pins]: what is hidden from a user is not pinned for them either."""
    items = np.array([pin.item for pin in policy.pins], dtype=np.int64)
    may = np.broadcast_to(allowed[items], (len(users), len(items)))
    if masked is not None and len(items):
        may = may & ~masked[users][:, items].toarray().astype(bool)
    return may


def _read(block: Ranked, placed: Arranged) -> Ruled:
    column = np.maximum(placed.source, 0)
    listed = placed.source >= 0
    if block.items.shape[1] == 0:
        scores, evidence = np.zeros(column.shape), np.full(column.shape, -1, np.int32)
    else:
        scores = np.where(listed, np.take_along_axis(block.scores, column, 1), 0)
        evidence = np.where(listed, np.take_along_axis(block.evidence, column, 1), -1)
    return Ruled(block.users, placed.items, scores, evidence, placed.touched)


def _put(lists: Ruled, rows: np.ndarray, better: Ruled) -> None:
    for name in ("items", "scores", "evidence", "touched"):
        getattr(lists, name)[rows] = getattr(better, name)


def crowd_list(fill: Crowd, k: int, available: np.ndarray, policy: Policy) -> Ruled:
    """The one list of everybody (B is 1), by popularity; `scores` are its strength."""
    allowed = available & ~policy.hidden
    items = fill.order[allowed[fill.order]].astype(np.int32)[None, :]
    strength = fill.strength[items]
    found = Candidates(items, strength, np.zeros(items.shape, dtype=bool), np.ones(1, dtype=bool))
    may = allowed[np.array([pin.item for pin in policy.pins], dtype=np.int64)][None, :]
    placed = arrange(found, k, policy, allowed, may)
    scores = np.where(placed.items >= 0, fill.strength[np.maximum(placed.items, 0)], 0)
    return Ruled(np.zeros(1, np.int64), placed.items, scores, np.full(placed.items.shape, -1, np.int32), placed.touched)


def similar_by_rules(matrix: ItemToItem, items: np.ndarray, k: int, available: np.ndarray, policy: Policy) -> Ruled:
    """What goes with each of `items` int [n]; an item is never listed with itself, not even where it is pinned."""
    allowed = available & ~policy.hidden
    boosted = ItemToItem(_columns_times(matrix, policy.factor), matrix.weighting) if policy.boosts else matrix
    pins = np.array([pin.item for pin in policy.pins], dtype=np.int64)

    def ruled(wanted: np.ndarray, wide: int) -> tuple[Ruled, np.ndarray]:
        found, values = boosted.similar(wanted, wide, allowed)
        strength = np.maximum(values, 0).astype(np.float64)
        complete = _complete(found, len(allowed))
        candidates = Candidates(found, strength, np.zeros(found.shape, dtype=bool), complete)
        placed = arrange(candidates, k, policy, allowed, allowed[pins] & (pins != wanted[:, None]))
        block = Ranked(wanted, found, values, np.full(found.shape, -1, np.int32))
        return _read(block, placed), placed.settled

    wide = policy.candidates(k)
    lists, settled = ruled(items, wide)
    wanting = np.flatnonzero(~settled)
    while len(wanting):
        wide *= WIDER
        better, settled = ruled(items[wanting], wide)
        _put(lists, wanting, better)
        wanting = wanting[~settled]
    return lists


def _columns_times(matrix: ItemToItem, factor: np.ndarray) -> np.ndarray | sparse.csr_array:
    if isinstance(matrix.matrix, np.ndarray):
        return matrix.matrix * factor
    return sparse.csr_array(matrix.matrix.multiply(factor[None, :]))
