"""What filters make of a block of users: whom to hold against the whole catalogue, and which pairs to score singly."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.recommender.engine.catalogue import Catalogue
from models.recommender.history import ragged


@dataclass(frozen=True)
class Filters:
    """What may be listed, for U users and I items; None filters nothing. Of bool matrices only the pattern counts.

    `banned` [U, I]: pairs that are never listed, whether seen or denied. `allowed` [U, I] and `limited` bool [U]:
    limited users are listed what is allowed to them and nothing else. `extra` float32 [U, I] is added to the scores of
    the pairs that it stores, with one rounding.
    """

    banned: sparse.csr_array | None = None
    allowed: sparse.csr_array | None = None
    limited: np.ndarray | None = None
    extra: sparse.csr_array | None = None

    def __getitem__(self, users: slice | np.ndarray) -> "Filters":
        return Filters(*(None if value is None else value[users] for value in vars(self).values()))

    def columns(self, items: np.ndarray) -> "Filters":
        banned, allowed, extra = (None if m is None else m[:, items] for m in (self.banned, self.allowed, self.extra))
        return Filters(banned, allowed, self.limited, extra)

    def check(self, users: int, items: int) -> None:
        """Raises ValueError where they are not about so many users and items."""
        for name in ("banned", "allowed", "extra"):
            matrix = getattr(self, name)
            if matrix is not None and matrix.shape != (users, items):
                raise ValueError(f"{name} has shape {matrix.shape} for {users} users and {items} items")
        if (self.limited is None) != (self.allowed is None):
            raise ValueError("allowed and limited belong together: what is allowed, and to whom it is a limit")


@dataclass(frozen=True)
class Plan:
    """Of a block of B users. Pairs are (row, item), sorted by row; `banned` counts rows among `searched`."""

    searched: np.ndarray  # int64, rows of the block
    banned: tuple[np.ndarray, np.ndarray]
    single: tuple[np.ndarray, np.ndarray]  # none of them is found by the search
    extra: np.ndarray  # float32, added to the scores of `single`


def plan(catalogue: Catalogue, users: np.ndarray, filters: Filters, k: int) -> Plan:
    """For `users` float32 [B, w].

    Pairs with something extra are kept out of the search and scored singly. So are limited users, and users whose
    vector is zero: their scores are the bias alone, and where there is none the search would find every item equal.
    """
    count, items = len(users), len(catalogue.vectors)
    limited = np.zeros(count, bool) if filters.limited is None else np.asarray(filters.limited, bool)
    zero = ~users.any(axis=1) & ~limited
    searched = np.flatnonzero(~(limited | zero))
    if filters.extra is None and len(searched) == count:
        return Plan(searched, _pairs(filters.banned), _split(np.empty(0, np.int64), items), np.empty(0, np.float32))
    banned, extra, allowed = (_keys(m, items) for m in (filters.banned, filters.extra, filters.allowed))
    out = np.union1d(banned, extra)
    single = np.concatenate(
        [allowed[limited[allowed // items]], extra[~limited[extra // items]], _first(catalogue, zero, out, k)]
    )
    single = np.setdiff1d(single, banned)
    single = single[catalogue.available[single % items]]
    row, item = _split(single, items)
    more = np.zeros(len(single), np.float32)
    if filters.extra is not None:
        more[:] = np.asarray(filters.extra[row, item]).ravel()
    place = np.full(count, -1)
    place[searched] = np.arange(len(searched))
    out_row, out_item = _split(out[place[out // items] >= 0], items)
    return Plan(searched, (place[out_row], out_item), (row, item), more)


def _first(catalogue: Catalogue, zero: np.ndarray, out: np.ndarray, k: int) -> np.ndarray:
    """Keys, for each row of `zero`, of the items of highest bias: k, and one for each pair of the row in `out`."""
    rows, items = np.flatnonzero(zero), len(catalogue.vectors)
    most = len(catalogue.by_bias)
    wanted = np.minimum(k + np.bincount(out // items, minlength=len(zero))[rows], most)
    which, place = ragged(np.zeros(len(rows), np.int64), wanted)
    return rows[which] * items + catalogue.by_bias[place]


def _pairs(matrix: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray]:
    if matrix is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices.astype(np.int64)


def _keys(matrix: sparse.csr_array | None, items: int) -> np.ndarray:
    """row * items + item of the stored pairs, int64, each once, ascending."""
    row, item = _pairs(matrix)
    return np.unique(row * items + item)


def _split(keys: np.ndarray, items: int) -> tuple[np.ndarray, np.ndarray]:
    return keys // max(1, items), keys % max(1, items)
