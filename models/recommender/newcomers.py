"""New items enter lists by their content: shown to those whose history holds something like them, in a few places.

What nobody has bought yet cannot win by what people do, and would stay unseen for just that reason. So the middle of a
list holds up to `places` new items, however their scores compare: the first half of a list is never touched.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.configs import Popular
from models.recommender.content import nearest
from models.recommender.history import Weighting, history_weights, lookup, ragged
from models.recommender.item_to_item import keep_top
from models.recommender.popular import popularity
from models.recommender.ranking import Ranked

FEW = 20
"""An item that as many people had is known by what they do, and no newcomer any more, however young."""
NEIGHBOURS, LEAST = 20, 0.3
"""A newcomer is like its 20 nearest older items where their cosine is at least .3: below, titles share a word."""
EACH_ONCE = Weighting(power=0.0)


class Wanted(Protocol):
    """New items, and what `placed` asks about them: how much each user wishes for each, and because of what."""

    @property
    def items(self) -> np.ndarray: ...
    def wishes(self, data: Interactions, users: np.ndarray) -> sparse.csr_array: ...
    def reasons(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Newcomers:
    """C items too young to be known by what people do, and the older items each is like."""

    items: np.ndarray  # int64 [C], ascending
    like: sparse.csr_array  # float32 [I, C], cosine of an older item and a newcomer
    people: np.ndarray  # float32 [C], who had it so far; a buyer counts 1

    def wishes(self, data: Interactions, users: np.ndarray) -> sparse.csr_array:
        """float32 [B, C]: (sum of cosines with the items of a user's history) · (1 + people); own items left out."""
        history = history_weights(data, users, EACH_ONCE)
        wish = sparse.csr_array(history @ self.like)
        row = np.repeat(np.arange(len(users)), np.diff(wish.indptr))
        own = lookup(history, row, self.items[wish.indices]) > 0
        value = np.where(own, 0, wish.data * (1 + self.people[wish.indices]))
        return sparse.csr_array((value.astype(np.float32), wish.indices, wish.indptr), shape=wish.shape)

    def reasons(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """int32 [P]: of user p's history the item most like newcomer p (both indices); ties by item id."""
        history = history_weights(data, users, EACH_ONCE)
        like = sparse.csr_array(self.like.T)[np.searchsorted(self.items, items)]
        both = sparse.csr_array((history > 0).multiply(like))
        both.sort_indices()
        order = np.lexsort((both.indices, -both.data, np.repeat(np.arange(len(items)), np.diff(both.indptr))))
        return both.indices[order[both.indptr[:-1]]].astype(np.int32)


def newcomers(data: Interactions, fresh: np.ndarray) -> Newcomers:
    """Those of `fresh` (bool [I]) that fewer than `FEW` people had an event with, as `data.content` describes them."""
    support = _people(data)
    young = fresh & (support < FEW)
    items = np.flatnonzero(young)
    if data.content is None or not len(items):
        return Newcomers(items[:0], sparse.csr_array((len(data.items), 0), dtype=np.float32), np.empty(0, np.float32))
    like = nearest(data.content, items, ~young & (support > 0), NEIGHBOURS, LEAST)
    return Newcomers(items, sparse.csr_array(like.T), popularity(data, Popular().days)[1][items])


def alike(data: Interactions, vectors: np.ndarray, young: np.ndarray) -> Newcomers:
    """Items that fewer than `FEW` people had an event with, whether or not they are new, and what each is like.

    By `vectors` float32 [I, d], exactly. Items that are `young` (int [C]) are nothing that others are like.
    """
    from models.multimodal.lookalike import nearest as nearest_rows

    support = _people(data)
    older = support > 0
    older[young] = False
    items = np.flatnonzero(support < FEW)
    found = nearest_rows(vectors, items, NEIGHBOURS, older)
    row, place = np.nonzero((found.index >= 0) & (found.cosine >= LEAST))
    entries = (found.cosine[row, place], (found.index[row, place], row))
    like = sparse.csr_array(entries, shape=(len(data.items), len(items)), dtype=np.float32)
    return Newcomers(items, like, np.zeros(len(items), np.float32))


def _people(data: Interactions) -> np.ndarray:
    """int64 [I]: who had an event with each item."""
    pairs = np.unique(data.user.astype(np.int64) * len(data.items) + data.item)
    return np.bincount(pairs % max(1, len(data.items)), minlength=len(data.items))


def placed(
    ranked: Ranked,
    data: Interactions,
    found: Wanted,
    available: np.ndarray,
    seen: sparse.csr_array | None,
    places: int,
) -> tuple[Ranked, np.ndarray]:
    """The lists with up to `places` newcomers each, and where they stand, bool [B, k].

    A newcomer that is unavailable, masked by `seen` or listed anyway is not put there.
    """
    wish = found.wishes(data, ranked.users)
    barred = ~available[found.items][wish.indices]
    if seen is not None:
        row = np.repeat(ranked.users, np.diff(wish.indptr))
        barred |= lookup(seen, row, found.items[wish.indices]).astype(bool)
    wish.data[barred] = 0
    items, scores, evidence, new = _into(ranked.items, ranked.scores, ranked.evidence, wish, found.items, places)
    row, place = np.nonzero(new)
    evidence[row, place] = found.reasons(data, ranked.users[row], items[row, place])
    return Ranked(ranked.users, items, scores, evidence), new


def beside(
    items: np.ndarray, scores: np.ndarray, found: Newcomers, owners: np.ndarray, available: np.ndarray, places: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lists [n, k] of what goes with each of `owners`, with the newcomers most like it, and where those stand."""
    wish = sparse.csr_array(found.like[owners])
    wish.data = wish.data * (1 + found.people[wish.indices]) * available[found.items][wish.indices]
    none = np.full(items.shape, -1, dtype=np.int32)
    items, scores, _, new = _into(items, scores, none, wish, found.items, places)
    return items, scores, new


def filled(
    items: np.ndarray, scores: np.ndarray, found: Newcomers, owners: np.ndarray, available: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lists [n, k] of `owners`, those of `found` filled with what they are like, and where that stands.

    A cosine counts from the last score of the list it fills, so that scores fall all the way down.
    """
    items, scores, alike = items.copy(), scores.copy(), np.zeros(items.shape, dtype=bool)
    like = sparse.csr_array(found.like.T)
    for row in np.flatnonzero(np.isin(owners, found.items) & (items < 0).any(axis=1)):
        newcomer = np.searchsorted(found.items, owners[row])
        size = int((items[row] >= 0).sum())
        entries = slice(like.indptr[newcomer], like.indptr[newcomer + 1])
        item, cosine = like.indices[entries], like.data[entries]
        more = np.flatnonzero(available[item] & ~np.isin(item, items[row]))
        more = more[np.lexsort((item[more], -cosine[more]))][: items.shape[1] - size]
        last = scores[row, size - 1] if size else 1
        at = slice(size, size + len(more))
        items[row, at], scores[row, at], alike[row, at] = item[more], cosine[more] * last, True
    return items, scores, alike


def _into(
    items: np.ndarray,
    scores: np.ndarray,
    evidence: np.ndarray,
    wish: sparse.csr_array,
    newcomers: np.ndarray,
    places: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lists [B, k] with the most wished newcomers (ties by id) from place k // 2 on, and where those stand.

    They take the score of the item they push back, or of the last one before them.
    """
    if not (places and len(newcomers)):
        return items, scores, evidence, np.zeros(items.shape, dtype=bool)
    start = items.shape[1] // 2
    chosen = _best(items, wish, newcomers, min(places, items.shape[1] - start))
    held = np.where(items[:, : start + 1] >= 0, scores[:, : start + 1], np.inf).min(axis=1, initial=np.inf)
    level = np.broadcast_to(np.where(np.isfinite(held), held, 0)[:, None], chosen.shape)

    def joined(before: np.ndarray, between: np.ndarray) -> np.ndarray:
        return np.concatenate([before[:, :start], between, before[:, start:]], axis=1)

    wide = joined(items, chosen)
    order = np.argsort(wide < 0, axis=1, kind="stable")[:, : items.shape[1]]  # padding, and places not needed, last
    new = joined(np.zeros(items.shape, dtype=bool), chosen >= 0)
    found = (wide, joined(scores, level), joined(evidence, np.full_like(chosen, -1)), new)
    wide, values, named, new = (np.take_along_axis(array, order, 1) for array in found)
    return wide, np.where(wide >= 0, values, -np.inf).astype(scores.dtype), named, new


def _best(items: np.ndarray, wish: sparse.csr_array, newcomers: np.ndarray, most: int) -> np.ndarray:
    """int32 [B, most]: the most wished newcomers of each row that its list does not hold; −1 pads."""
    row = np.repeat(np.arange(len(items)), np.diff(wish.indptr))
    owner, place = np.nonzero(np.isin(items, newcomers))
    listed = owner * len(newcomers) + np.searchsorted(newcomers, items[owner, place])
    kept = (wish.data > 0) & ~np.isin(row * len(newcomers) + wish.indices, listed)
    top = keep_top(sparse.csr_array((wish.data[kept], (row[kept], wish.indices[kept])), shape=wish.shape), most)
    row = np.repeat(np.arange(len(items)), np.diff(top.indptr))
    order = np.lexsort((top.indices, -top.data, row))
    result = np.full((len(items), most), -1, dtype=np.int32)
    _, place = ragged(np.zeros(len(items), np.int64), np.diff(top.indptr).astype(np.int64))
    result[row, place] = newcomers[top.indices[order]]
    return result
