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
        content = () if said is None else (said.indptr, said.indices, said.data)
        for array in (self.item, self.event, self.time, self.offsets, *content):
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
    event = pc.index_in(table["event_type"], value_set=pa.array(EVENTS))
    table = table.append_column("event", event).filter(pc.is_valid(event))
    users = _vocabulary(table["user_id"], extra_users)
    items = _vocabulary(table["item_id"], extra_items)
    user = _codes(table["user_id"], users)
    item = _codes(table["item_id"], items)
    kind = table["event"].to_numpy().astype(np.int8)
    time = table["occurred_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()

    order = np.lexsort((kind, item, time, user))
    user, item, kind, time = user[order], item[order], kind[order], time[order]
    keep = np.ones(len(user), dtype=bool)
    keep[1:] = (np.diff(user) != 0) | (np.diff(time) != 0) | (np.diff(item) != 0) | (np.diff(kind) != 0)
    encoded = Interactions(as_of, users, items, item, kind, time, _offsets(user, len(users)))
    keep &= time < encoded.end
    return Interactions(as_of, users, items, item[keep], kind[keep], time[keep], _offsets(user[keep], len(users)))


def _vocabulary(column: pa.ChunkedArray, extra: pa.Array | None) -> pa.Array:
    values = pc.unique(column).cast(pa.string())
    if extra is not None:
        values = pc.unique(pa.chunked_array([values, extra.cast(pa.string())]))
    values = pc.drop_null(values)
    return values.take(pc.sort_indices(values))


def _codes(column: pa.ChunkedArray, vocabulary: pa.Array) -> np.ndarray:
    return pc.index_in(column.cast(pa.string()), value_set=vocabulary).to_numpy().astype(np.int32)


def _offsets(user: np.ndarray, users: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))]).astype(np.int64)
