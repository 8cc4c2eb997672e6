"""What points at items beside users: categories by their paths, queries by what was taken after them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from models.interactions import Interactions
from models.multimodal.graph import Links
from models.nlp.search.catalogue import steps
from models.nlp.search.tokens import clean

MOST_QUERIES = 50_000
"""The queries that most items were taken after; of rarer ones little would be learned."""


def links(data: Interactions, paths: pa.Array, searches: pa.Table | None = None) -> Links:
    """The links of the items and users of `data`.

    `paths`: category path of each item, string [I], null where unknown. `searches`: user_id (null for nobody known),
    query, item_id (null where nothing was taken), a row for each view, cart or purchase that followed a query and for
    each query by itself; in any order. Queries are compared as `tokens.clean` leaves them.
    """
    if searches is None or not len(searches):
        return Links(categories=category_rows(paths))
    queries, asked = _query_rows(data, searches)
    return Links(category_rows(paths), queries, asked)


def category_rows(paths: pa.Array) -> sparse.csr_array | None:
    """float32 [C, I]: the items of every category and of those below it; None where no path names any."""
    bags = [steps(path) for path in paths.to_pylist()]
    names = [[" > ".join(bag[: depth + 1]) for depth in range(len(bag))] for bag in bags]
    place = {name: row for row, name in enumerate(sorted({name for some in names for name in some}))}
    if not place:
        return None
    row = [place[name] for some in names for name in some]
    column = np.repeat(np.arange(len(names)), [len(some) for some in names])
    return sparse.csr_array((np.ones(len(row), np.float32), (row, column)), shape=(len(place), len(names)))


def _query_rows(data: Interactions, searches: pa.Table) -> tuple[sparse.csr_array | None, sparse.csr_array | None]:
    """float32 [Q, I], times an item was taken after a query, and [U, Q], times a user asked it or took something."""
    coded = searches["query"].combine_chunks().cast(pa.string()).dictionary_encode()
    said = [clean(text) for text in coded.dictionary.to_pylist()]
    names = sorted({text for text in said if text})
    place = {text: row for row, text in enumerate(names)}
    of_word = np.array([place.get(text, -1) for text in said] + [-1])
    query = of_word[pc.fill_null(coded.indices, len(said)).to_numpy().astype(np.int64)]
    item, user = (
        pc.fill_null(pc.index_in(searches[name].combine_chunks(), value_set=known), -1).to_numpy().astype(np.int64)
        for name, known in (("item_id", data.items), ("user_id", data.users))
    )
    taken = _counts(query, item, (len(names), len(data.items)))
    kept = np.argsort(-taken.sum(axis=1), kind="stable")[:MOST_QUERIES]
    kept = np.sort(kept[taken.sum(axis=1)[kept] > 0])
    if not len(kept):
        return None, None
    asked = sparse.csc_array(_counts(user, query, (len(data.users), len(names))))[:, kept]
    return taken[kept], sparse.csr_array(asked)


def _counts(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    known = (row >= 0) & (column >= 0)
    found = sparse.csr_array((np.ones(known.sum(), np.float32), (row[known], column[known])), shape=shape)
    found.sum_duplicates()
    return found
