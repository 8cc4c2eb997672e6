"""Lists under business rules: masked before ranking, arranged from as many candidates as it takes.

A list is what the greedy pass of `rules.arrange` makes of everything that may be listed. It begins with the best few
candidates; only the lists that more candidates could change are ranked again with more, until the catalogue ends. So a
list does not depend on how many there were at first, nor on how users are blocked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.explored import Spare, spare_of, within
from models.recommender.item_to_item import ItemToItem, similar_in_turn
from models.recommender.newcomers import Newcomers, Wanted, beside, filled, placed
from models.recommender.popular import PopularModel
from models.recommender.ranking import BLOCK_CELLS, Ranked, Recommender, rank_users
from models.recommender.rules import Arranged, Candidates, Policy, arrange

WIDER = 16
"""Times as many candidates for the lists that want more: each time they are scored again."""
FEWER = 8
"""Times fewer users in a block where candidates are many: they are held along with the scores."""


@dataclass(frozen=True)
class Ground:
    """What lists are made from before any rule."""

    data: Interactions
    k: int
    available: np.ndarray  # bool [I]
    newcomers: Newcomers
    wanted: Wanted  # the same, as the lists of people are given them
    alike: Newcomers  # items whose own lists are filled with what they are like
    new_places: int


@dataclass(frozen=True)
class Ruled:
    """Lists of B users or items. `scores` is the model's times the boosts; 0 for pins and what filled a list up."""

    users: np.ndarray  # int [B]
    items: np.ndarray  # int32 [B, k], -1 is padding
    scores: np.ndarray  # float [B, k]
    evidence: np.ndarray  # int32 [B, k]; -1 for pins, and where none is
    touched: np.ndarray  # bool [B, k, rules]
    new: np.ndarray  # bool [B, k]: newcomers, there by their content
    alike: np.ndarray  # bool [B, k]: what an item's own list was filled with
    spare: Spare | None = None  # what may be drawn into them, where it was asked for


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
    ground: Ground,
    model: Recommender,
    popular: PopularModel,
    users: np.ndarray,
    masked: sparse.csr_array | None,
    policy: Policy,
    block_cells: int = BLOCK_CELLS,
    spare: int = 0,
) -> Iterator[Ruled]:
    """Lists for `users` int [B] under one policy, block by block, newcomers included as without rules.

    With `spare` up to so many items of each list's `spare` may be drawn into it, and the policy still holds.

    `masked` bool [U, I]: what single users may not be shown, besides what the policy hides from all of them.
    """
    data, factor = ground.data, policy.factor
    fill = crowd(popular.recent, popular.overall, np.arange(len(factor)), factor)
    boosted = Boosted(model, factor) if policy.boosts else model
    allowed = ground.available & ~policy.hidden

    def ranked(wanted: np.ndarray, wide: int, cells: int, with_evidence: bool, more: int = 0) -> Iterator[Ranked]:
        return rank_users(boosted, data, wanted, wide, fill.order, allowed, masked, cells, with_evidence, more)

    def ruled(block: Ranked) -> tuple[Ruled, np.ndarray]:
        complete = _complete(block.items, len(factor))
        block, new = _with_newcomers(ground, block, allowed, masked)
        # What has a score comes before what fills up, so strengths are only compared within either.
        strength = np.where(block.filled, fill.strength[np.maximum(block.items, 0)], np.maximum(block.scores, 0))
        found = Candidates(block.items, strength, block.filled, complete & _complete(block.items, len(factor)))
        lists = arrange(found, ground.k, policy, allowed, _pinnable(policy, allowed, masked, block.users))
        return _read(block, lists, policy, new, np.zeros_like(new)), lists.settled

    wide = policy.candidates(ground.k)
    more = max(0, ground.k + spare - wide) if spare else 0
    for wider_block in ranked(users, wide, block_cells, with_evidence=True, more=more):
        block = wider_block.first(wide)
        lists, settled = ruled(block)
        again = wanting = np.flatnonzero(~settled)
        wider = wide
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
            scored = np.where((lists.scores[again] > 0) & ~lists.new[again], lists.items[again], -1)
            found = model.evidence(data, block.users[again], scored)
            lists.evidence[again] = np.where(scored >= 0, found, lists.evidence[again])
        if spare:
            lists = replace(lists, spare=within(policy, lists.items, spare_of(wider_block, lists.items, spare)))
        yield lists


def _complete(items: np.ndarray, catalogue: int) -> np.ndarray:
    """bool [B]: the candidates are all there is."""
    if items.shape[1] == 0 or items.shape[1] >= catalogue:
        return np.ones(len(items), dtype=bool)
    return items[:, -1] < 0


def _with_newcomers(
    ground: Ground, block: Ranked, allowed: np.ndarray, masked: sparse.csr_array | None
) -> tuple[Ranked, np.ndarray]:
    """The candidates with newcomers among the first k, as `newcomers.placed` puts them into lists of k, and where."""
    nowhere = np.zeros(block.items.shape, dtype=bool)
    if not (ground.new_places and len(ground.wanted.items)):
        return block, nowhere
    head, new = placed(block.first(ground.k), ground.data, ground.wanted, allowed, masked, ground.new_places)
    rest = (block.items, block.scores, block.evidence, nowhere)
    items, scores, evidence, new = _followed((head.items, head.scores, head.evidence, new), rest)
    return Ranked(block.users, items, scores, evidence), new


def _followed(head: tuple[np.ndarray, ...], rest: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The columns of `head` [B, n] and then those of `rest` [B, C], as many as the rest has; items come first in both.

    What stands in the head is left out of the rest, and padding stands last.
    """
    again = (rest[0][:, :, None] == head[0][:, None, :]).any(axis=2)
    items = np.concatenate([head[0], np.where(again, -1, rest[0])], axis=1)
    order = np.argsort(items < 0, axis=1, kind="stable")[:, : rest[0].shape[1]]
    both = [items, *(np.concatenate(pair, axis=1) for pair in zip(head[1:], rest[1:], strict=True))]
    return [np.take_along_axis(array, order, 1) for array in both]


def _pinnable(policy: Policy, allowed: np.ndarray, masked: sparse.csr_array | None, users: np.ndarray) -> np.ndarray:
    """bool [B, pins]: what is hidden from a user is not pinned for them either."""
    items = policy.pinned
    may = np.broadcast_to(allowed[items], (len(users), len(items)))
    if masked is not None and len(items):
        may = may & ~masked[users][:, items].toarray().astype(bool)
    return may


def _read(block: Ranked, lists: Arranged, policy: Policy, new: np.ndarray, alike: np.ndarray) -> Ruled:
    """The lists that were arranged of these candidates. A boost that did not bring a newcomer up does not touch it."""
    listed = lists.source >= 0

    def read(array: np.ndarray, otherwise: float) -> np.ndarray:
        if not array.shape[1]:
            return np.full(listed.shape, otherwise).astype(array.dtype)
        return np.where(listed, np.take_along_axis(array, np.maximum(lists.source, 0), 1), array.dtype.type(otherwise))

    is_new, is_alike = read(new, False), read(alike, False)
    for boost in policy.boosts:
        lists.touched[..., boost.rule] &= ~(is_new | is_alike)
    return Ruled(
        block.users, lists.items, read(block.scores, 0), read(block.evidence, -1), lists.touched, is_new, is_alike
    )


def _put(lists: Ruled, rows: np.ndarray, better: Ruled) -> None:
    for name in ("items", "scores", "evidence", "touched", "new", "alike"):
        getattr(lists, name)[rows] = getattr(better, name)


def crowd_list(fill: Crowd, k: int, available: np.ndarray, policy: Policy) -> Ruled:
    """The one list of everybody (B is 1), by popularity; `scores` are its strength."""
    allowed = available & ~policy.hidden
    items = fill.order[allowed[fill.order]].astype(np.int32)[None, :]
    nowhere, strength = np.zeros(items.shape, dtype=bool), fill.strength[items]
    found = Candidates(items, strength, nowhere, np.ones(1, dtype=bool))
    lists = arrange(found, k, policy, allowed, allowed[policy.pinned][None, :])
    block = Ranked(np.zeros(1, np.int64), items, strength, np.full(items.shape, -1, np.int32))
    return _read(block, lists, policy, nowhere, nowhere)


def similar_by_rules(ground: Ground, matrices: Sequence[ItemToItem], items: np.ndarray, policy: Policy) -> Ruled:
    """What goes with each of `items` int [n]; an item is never listed with itself, not even where it is pinned."""
    allowed = ground.available & ~policy.hidden
    if policy.boosts:
        matrices = [ItemToItem(_columns_times(one, policy.factor), one.weighting) for one in matrices]

    def ruled(owners: np.ndarray, wide: int) -> tuple[Ruled, np.ndarray]:
        rest = similar_in_turn(matrices, owners, wide, allowed)
        complete = _complete(rest[0], len(allowed))
        first = (rest[0][:, : ground.k], rest[1][:, : ground.k])
        head = beside(*first, ground.newcomers, owners, allowed, ground.new_places)
        found, values, new = _followed(head, (*rest, np.zeros(rest[0].shape, dtype=bool)))
        found, values, alike = filled(found, values, ground.alike, owners, allowed)
        strength, nowhere = np.maximum(values, 0).astype(np.float64), np.zeros(found.shape, dtype=bool)
        candidates = Candidates(found, strength, nowhere, complete & _complete(found, len(allowed)))
        may = allowed[policy.pinned] & (policy.pinned != owners[:, None])
        lists = arrange(candidates, ground.k, policy, allowed, may)
        block = Ranked(owners, found, values, np.full(found.shape, -1, np.int32))
        return _read(block, lists, policy, new, alike), lists.settled

    wide = policy.candidates(ground.k)
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
