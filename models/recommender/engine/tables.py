"""The engine with Arrow at its door: tables of vectors in, a table of lists out, and lists kept up to date."""

import bisect
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from scipy import sparse

from models.recommender.engine.engine import Engine, Lists
from models.recommender.engine.numbers import NOTHING, items_of, keys_of, scores_of
from models.recommender.engine.plan import Filters
from models.recommender.history import ragged

BATCH = 16_384
"""Users scored at once."""
LISTS = pa.schema(
    [("user_id", pa.string()), ("rank", pa.int32()), ("item_id", pa.string()), ("score", pa.float32())]
)  # fmt: skip
Batches: TypeAlias = pa.Table | Iterable[pa.RecordBatch]


class TableEngine:
    """Lists for users of an Arrow table from items of another; equal scores go to the smaller item id (by bytes).

    Items: `item_id` string, `vector` fixed_size_list<float>[d], and, where there are such columns, `bias` float and
    `available` bool. Users: `user_id` string, `vector`, and `seen`, `denied`, `allowed`, each list<string> of item ids:
    what is seen or denied is never listed, and where `allowed` is not null nothing else is. Unknown ids are left out.
    """

    def __init__(self, items: pa.Table, device: str = "cpu", threads: int | None = None) -> None:
        """Raises ValueError where an id is null or there twice, or a vector is missing or not finite."""
        items = items.take(pc.sort_indices(items["item_id"])).combine_chunks()
        self.ids = _one(items["item_id"]).cast(pa.string())
        if self.ids.null_count or pc.count_distinct(self.ids).as_py() < len(self.ids):
            raise ValueError("item_id must be there, and once for each item")
        self._vectors, self._device, self._threads = _vectors(items["vector"]), device, threads
        self._bias = _numbers(items, "bias", np.float32)
        self._available = _numbers(items, "available", np.bool_)
        self.engine = Engine(self._vectors, self._bias, self._available, device, threads)

    def lists(self, users: Batches, k: int) -> Iterator[pa.RecordBatch]:
        """Batches of `LISTS`, users in their order, `rank` from 1; users without any item have no rows."""
        for batch in _batches(users):
            yield self._written(batch, self.engine.rank(_vectors(batch["vector"]), k, self._filters(batch)))

    def update(
        self, previous: pa.Table, users: Batches, k: int, changed_users: pa.Array, changed_items: pa.Array
    ) -> Iterator[pa.RecordBatch]:
        """What `lists` would give, bit for bit, scoring only what changed since `previous` (a table of `LISTS`).

        `users` are all users of today. `changed_users` are the ids of those whose vector or filters are not what they
        were; users that `previous` does not know count as changed. `changed_items` are the ids of items whose vector,
        bias or availability is not what it was, with those that are new or gone.

        An unchanged user's old list is merged with the changed items. Where too many of it fell for the rest to be
        known, because items below its end were never written down, the user is scored anew.
        """
        before = _Previous(previous, self.ids, changed_items)
        chosen = np.flatnonzero(pc.is_in(self.ids, value_set=changed_items.cast(self.ids.type)).to_numpy(False))
        part = self._part(chosen)
        for batch in _batches(users):
            filters, vectors = self._filters(batch), _vectors(batch["vector"])
            code = before.codes(batch["user_id"])
            code[pc.is_in(batch["user_id"], value_set=changed_users.cast(pa.string())).to_numpy(False)] = -1
            old = np.flatnonzero(code >= 0)
            found, sure = self._merged(before, code[old], part, chosen, vectors[old], filters[old], k)
            lists = Lists(np.full((len(code), k), -1, np.int32), np.full((len(code), k), -np.inf, np.float32))
            lists.items[old], lists.scores[old] = found.items, found.scores
            anew = np.setdiff1d(np.arange(len(code)), old[sure])
            fresh = self.engine.rank(vectors[anew], k, filters[anew])
            lists.items[anew], lists.scores[anew] = fresh.items, fresh.scores
            yield self._written(batch, lists)

    def _part(self, chosen: np.ndarray) -> Engine:
        """An engine of these items alone."""
        bias, available = (None if a is None else a[chosen] for a in (self._bias, self._available))
        return Engine(self._vectors[chosen], bias, available, self._device, self._threads)

    def _merged(
        self,
        before: "_Previous",
        code: np.ndarray,
        part: Engine,
        chosen: np.ndarray,
        vectors: np.ndarray,
        filters: Filters,
        k: int,
    ) -> tuple[Lists, np.ndarray]:
        """Lists of users known before, and bool [B] whether each is sure to be what scoring everything gives."""
        kept, end = before.of(code)
        changed = part.rank(vectors, min(k, max(1, len(chosen))), filters.columns(chosen))
        place = np.append(chosen, 0)[changed.items].astype(np.int64)
        fresh = keys_of(torch.from_numpy(changed.scores), torch.from_numpy(place))
        fresh = torch.where(torch.from_numpy(changed.items < 0), NOTHING, fresh)
        both = torch.cat([kept, fresh, torch.full((len(code), k), NOTHING)], 1)
        keys = torch.topk(both, k).values
        return Lists(items_of(keys).numpy(), scores_of(keys).numpy()), (keys[:, -1] >= end).numpy()

    def _filters(self, batch: pa.RecordBatch) -> Filters:
        names = batch.schema.names
        banned = [_matrix(batch[name], self.ids) for name in ("seen", "denied") if name in names]
        banned_pairs = sum(banned[1:], banned[0]) if banned else None
        if "allowed" not in names:
            return Filters(banned_pairs)
        limited = batch["allowed"].is_valid().to_numpy(False)
        return Filters(banned_pairs, _matrix(batch["allowed"], self.ids), limited)

    def _written(self, batch: pa.RecordBatch, lists: Lists) -> pa.RecordBatch:
        user, place = np.nonzero(lists.items >= 0)
        columns = [
            batch["user_id"].cast(pa.string()).take(pa.array(user)),
            pa.array((place + 1).astype(np.int32)),
            self.ids.take(pa.array(lists.items[user, place])),
            pa.array(lists.scores[user, place]),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=LISTS)


class _Previous:
    """Old lists as keys in today's indices: `NOTHING` where the item changed, and what all that is not listed is below.

    A list as long as the longest may have been cut off, so that items below its end were left out. A shorter one has
    all there was.
    """

    def __init__(self, lists: pa.Table, ids: pa.Array, changed: pa.Array) -> None:
        lists = lists.sort_by([("user_id", "ascending"), ("rank", "ascending")])
        user, item = _one(lists["user_id"]).cast(pa.string()), _one(lists["item_id"]).cast(pa.string())
        self.users = user.unique()
        count = np.bincount(pc.index_in(user, value_set=self.users).to_numpy(), minlength=len(self.users))
        self.offsets = np.concatenate([[0], np.cumsum(count)])
        self.width = int(count.max(initial=0))
        score = torch.from_numpy(_one(lists["score"]).cast(pa.float32()).to_numpy().copy())
        index = pc.fill_null(pc.index_in(item, value_set=ids), -1).to_numpy().astype(np.int64)
        gone = (index < 0) | pc.is_in(item, value_set=changed.cast(pa.string())).to_numpy(False)
        self.keys = torch.where(torch.from_numpy(gone), NOTHING, keys_of(score, torch.from_numpy(index)))
        self.end = torch.full((len(count),), NOTHING)
        cut = np.flatnonzero((count == self.width) & (count > 0))
        last = self.offsets[cut + 1] - 1
        below = self._places(index[last], item.take(pa.array(last)), ids)
        self.end[cut] = keys_of(score[last], below)

    @staticmethod
    def _places(index: np.ndarray, item: pa.Array, ids: pa.Array) -> torch.Tensor:
        """Today's index of each item; of one that is gone, that of the last id before it: ties are settled by id."""
        missing = np.flatnonzero(index < 0)
        if len(missing):
            words, wanted = ids.to_pylist(), item.take(pa.array(missing)).to_pylist()
            index[missing] = [bisect.bisect_left(words, word) - 1 for word in wanted]
        return torch.from_numpy(index)

    def codes(self, users: pa.Array) -> np.ndarray:
        """Place of each user here, -1 where it is not known."""
        found = pc.fill_null(pc.index_in(users.cast(pa.string()), value_set=self.users), -1)
        return found.to_numpy().astype(np.int64)

    def of(self, code: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys int64 [B, width] of what is left of the lists of these users, and [B] what the unlisted are below."""
        row, place = ragged(self.offsets[code], self.offsets[code + 1])
        kept = torch.full((len(code), self.width), NOTHING)
        column = place - self.offsets[code][row]
        kept[torch.from_numpy(row), torch.from_numpy(column)] = self.keys[torch.from_numpy(place)]
        return kept, self.end[torch.from_numpy(code)]


def _batches(users: Batches) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about `BATCH`."""
    held: list[pa.RecordBatch] = []
    for batch in users.to_batches() if isinstance(users, pa.Table) else users:
        for start in range(0, len(batch), BATCH):
            held.append(batch.slice(start, BATCH))
            if sum(map(len, held)) >= BATCH:
                yield from pa.Table.from_batches(held).combine_chunks().to_batches()
                held = []
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _vectors(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """float32 [N, d]."""
    if isinstance(column, pa.ChunkedArray):
        column = _one(column)
    if not pa.types.is_fixed_size_list(column.type):
        raise ValueError(f"vector is {column.type}: it must be a fixed_size_list of float")
    if column.null_count:
        raise ValueError(f"{column.null_count} rows have no vector")
    values = column.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
    return values.reshape(len(column), column.type.list_size)


def _numbers(table: pa.Table, name: str, dtype: type) -> np.ndarray | None:
    if name not in table.column_names:
        return None
    if table[name].null_count:
        raise ValueError(f"{table[name].null_count} rows have no {name}")
    return table[name].to_numpy().astype(dtype)


def _matrix(lists: pa.Array, ids: pa.Array) -> sparse.csr_array:
    """bool [U, I] of a column of lists of item ids; a null is an empty list."""
    codes = pc.fill_null(pc.index_in(lists.flatten().cast(pa.string()), value_set=ids), -1).to_numpy()
    row = np.repeat(np.arange(len(lists)), pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
    known = codes >= 0
    offsets = np.searchsorted(row[known], np.arange(len(lists) + 1))
    shape = (len(lists), len(ids))
    return sparse.csr_array((np.ones(known.sum(), bool), codes[known], offsets), shape=shape)
