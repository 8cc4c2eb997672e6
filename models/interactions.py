"""Interactions as sorted integer arrays: the one form every model here reads."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

EVENTS = ("view", "add_to_cart", "purchase")
PURCHASE = EVENTS.index("purchase")
MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Interactions:
    """Events of U users with I items, N in all, grouped by user and in time order inside each user.

    Rows `offsets[u]:offsets[u + 1]` belong to user u. Both vocabularies are sorted by byte value, so "ties by id" and
    "ties by index" are the same rule. A user or an item without any event is allowed.
    """

    as_of: date
    users: pa.Array  # string [U]
    items: pa.Array  # string [I]
    item: np.ndarray  # int32 [N], index into items
    event: np.ndarray  # int8 [N], index into EVENTS
    time: np.ndarray  # int64 [N], microseconds since 1970 UTC
    offsets: np.ndarray  # int64 [U + 1]
    content: sparse.csr_array | None = None  # float32 [I, F]: what is said of each item, see `recommender.content`
    opinions: np.ndarray | None = None  # float32 [I, 3]: what reviews say of it, see `recommender.opinions`

    @property
    def user(self) -> np.ndarray:
        """int32 [N], index into users."""
        return np.repeat(np.arange(len(self.users), dtype=np.int32), np.diff(self.offsets))

    @property
    def end(self) -> int:
        """Midnight UTC that ends the day `as_of`, in microseconds: the moment ages are counted from."""
        following = datetime.combine(self.as_of + timedelta(1), datetime.min.time(), UTC)
        return int(following.timestamp()) * 1_000_000

    def digest(self) -> str:
        """SHA-256 over all of it: equal data has an equal digest."""
        found = hashlib.sha256(str(self.as_of).encode())
        for words in (self.users, self.items):
            found.update("\n".join(words.to_pylist()).encode())
        said = self.content
        more = [] if said is None else [said.indptr, said.indices, said.data]
        more += [] if self.opinions is None else [self.opinions]
        for array in (self.item, self.event, self.time, self.offsets, *more):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def purchase_counts(self) -> np.ndarray:
        """int64 [I]: purchases of each item, one per user and moment."""
        return np.bincount(self.item[self.event == PURCHASE], minlength=len(self.items))


def encode(
    table: pa.Table, as_of: date, extra_users: pa.Array | None = None, extra_items: pa.Array | None = None
) -> Interactions:
    """Encode a table (user_id, item_id, occurred_at, event_type); other columns and the order of rows do not matter.

    Lines that agree on all four (an item twice on one receipt) are one event. `extra_users` and `extra_items` (string
    arrays) join the vocabularies without any event. Rows of other event types, or after `as_of`, are left out.
    """
    kinds, kind = _coded(table["event_type"])
    kind = pc.fill_null(pc.index_in(kinds, value_set=pa.array(EVENTS)), -1).to_numpy().astype(np.int8)[kind]
    if (kind < 0).any():
        known = kind >= 0
        table, kind = table.filter(pa.array(known)), kind[known]
    users, user = by_vocabulary(table["user_id"], extra_users)
    items, item = by_vocabulary(table["item_id"], extra_items)
    time = table["occurred_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    user, time, item, kind = _distinct(user, time, item, kind, len(items))
    encoded = Interactions(as_of, users, items, item, kind, time, _offsets(user, len(users)))
    keep = time < encoded.end
    if keep.all():
        return encoded
    return Interactions(as_of, users, items, item[keep], kind[keep], time[keep], _offsets(user[keep], len(users)))


def by_vocabulary(column: pa.ChunkedArray, extra: pa.Array | None = None) -> tuple[pa.Array, np.ndarray]:
    """The sorted values of a column, and of `extra`, and the place of each row's value among them, int32 [N]."""
    values, code = _coded(column)
    held = values.take(pa.array(np.flatnonzero(np.bincount(code, minlength=len(values)))))
    found = held if extra is None else pc.unique(pa.chunked_array([held, extra.cast(pa.string())]))
    found = pc.drop_null(found)
    found = found.take(pc.sort_indices(found))
    place = pc.fill_null(pc.index_in(values, value_set=found), -1).to_numpy().astype(np.int32)
    return found, place[code] if len(place) else code


def _coded(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Distinct values (string; some may be in no row) and the place of each row's value, int32 [N]. Nulls are not
    allowed. A column that comes as dictionaries is not read row by row.
    """
    column = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if not column.num_chunks:
        return pa.array([], pa.string()), np.empty(0, dtype=np.int32)
    indices = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    return column.chunk(0).dictionary.cast(pa.string()), indices.astype(np.int32, copy=False)


def _distinct(
    user: np.ndarray, time: np.ndarray, item: np.ndarray, kind: np.ndarray, items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The distinct rows, by user, time, item and kind: one sort of one number where that holds all four."""
    start = int(time.min(initial=np.iinfo(np.int64).max)) if len(time) else 0
    since = time - start
    unit = next(unit for unit in (1_000_000, 1_000, 1) if unit == 1 or not (since % unit).any())
    since //= unit
    moments = int(since.max(initial=0)) + 1
    if (int(user.max(initial=0)) + 1) * moments * max(1, items) * len(EVENTS) >= 2**63:
        order = np.lexsort((kind, item, time, user))
        user, time, item, kind = user[order], time[order], item[order], kind[order]
        new = np.diff(user, prepend=-1) != 0
        for values in (time, item, kind):
            new[1:] |= np.diff(values) != 0
        return user[new], time[new], item[new], kind[new]
    key = ((user.astype(np.int64) * moments + since) * max(1, items) + item) * len(EVENTS) + kind
    key.sort()
    key = key[np.append(True, key[1:] != key[:-1])[: len(key)]]
    found = []
    for size in (len(EVENTS), max(1, items), moments):
        rest = key // size
        found.append(key - rest * size)
        key = rest
    kind, item, since = found
    return key.astype(np.int32), since * unit + start, item.astype(np.int32), kind.astype(np.int8)


def _offsets(user: np.ndarray, users: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))]).astype(np.int64)
