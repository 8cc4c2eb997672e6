"""What a night writes of search: the products for each head query, best first."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from models.nlp.search import features
from models.nlp.search.encoders import Encoder
from models.nlp.search.fusion import fuse, ranks
from models.nlp.search.index import Index, Queries, read
from models.nlp.search.relevance import Relevance

QUERY, RANK, ITEM, SCORE, MATCHED = "query", "rank", "item_id", "score", "matched"
SCHEMA = pa.schema(
    [(QUERY, pa.string()), (RANK, pa.int32()), (ITEM, pa.string()), (SCORE, pa.float64()), (MATCHED, pa.string())]
)
PLACES, CANDIDATES = 20, 100
"""Products that are kept of a query, and that are taken from each of words and vectors to be ranked."""
SOFT = 0.5
"""What a product's fused score is multiplied by for each thing it is and the query did not ask for."""
BLOCK = 256
"""Queries that are looked up at a time: what bounds the memory, whatever the number of queries."""


def query_products(
    index: Index, encoder: Encoder, queries: list[str], model: Relevance | None, places: int = PLACES
) -> pa.Table:
    """Rows of `SCHEMA` for each query once, in their order; `rank` from 1, at most `places` of a query.

    With a `model` its score orders the candidates. Without one their fused rank does, halved for each brand, colour,
    category or size that differs from what the query names: such a product moves down and is still there.
    A query that matches nothing has no rows. Equal scores are ordered by item id.
    """
    if not len(index.catalogue):
        return SCHEMA.empty_table()
    blocks = list(dict.fromkeys(queries))
    tables = [
        _ranked(index, read(index, encoder, blocks[start : start + BLOCK]), model, places)
        for start in range(0, len(blocks), BLOCK)
    ]
    return pa.concat_tables([SCHEMA.empty_table(), *tables]).combine_chunks()


def _ranked(index: Index, queries: Queries, model: Relevance | None, places: int) -> pa.Table:
    query, item = candidates(index, queries)
    columns = features.columns(index, queries, query, item)
    score = model.score(columns) if model else softened(columns, query)
    ids = np.array(index.catalogue.item_id)[item]
    order = np.lexsort((ids, -score, query))
    start = np.searchsorted(query[order], np.arange(len(queries)))
    place = np.arange(len(order)) - start[query[order]] if len(order) else order
    kept = order[place < places]
    said = [_matched(index, queries, q, i) for q, i in zip(query[kept].tolist(), item[kept].tolist(), strict=True)]
    return pa.table(
        {
            QUERY: pa.array([queries.texts[q] for q in query[kept].tolist()], pa.string()),
            RANK: pa.array(place[place < places] + 1, pa.int32()),
            ITEM: pa.array(ids[kept].tolist(), pa.string()),
            SCORE: pa.array(score[kept], pa.float64()),
            MATCHED: pa.array(said, pa.string()),
        },
        schema=SCHEMA,
    )


def candidates(index: Index, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Pairs to rank, int64 [P] each, by query and then item: the best of BM25 and the best of the vectors."""
    found = sorted({*_by_words(index, queries), *_by_vectors(index, queries)})
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def softened(columns: np.ndarray, query: np.ndarray) -> np.ndarray:
    """float64 [P]: the fused score, halved for every kind of name in which the product contradicts the query."""
    place = {name: n for n, name in enumerate(features.NAMES)}
    against = sum((columns[:, place[kind]] == -1).astype(int) for kind in features.KINDS)
    fused = fuse([columns[:, place["bm25"]], columns[:, place["cosine"]]], query)
    return np.asarray(fused * SOFT**against)


def personal(
    score: np.ndarray, vectors: np.ndarray, user: np.ndarray, query: np.ndarray, strength: float
) -> np.ndarray:
    """float64 [P]: a ranking's scores moved towards what a user likes; sort by it within each query.

    `score` [P]; `vectors` float32 [P, d] of the products and `user` [d] in the same space, both of length 1; `query`
    int [P]. A product's place p of n counts 1 − (p − 1) / n, and strength · cosine is added: at 0 the order is the
    plain one, at 1 the user's taste can carry a product over the whole list.
    Raises `ValueError` for a strength outside 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is from 0 (plain) to 1, not {strength}")
    size = np.bincount(query)[query]
    plain = 1 - (ranks(score, query) - 1) / size
    return np.asarray(plain + strength * (vectors @ user).astype(np.float64))


def _by_words(index: Index, queries: Queries) -> Iterator[tuple[int, int]]:
    matched = index.bm25.search(queries.asked)
    for q in range(len(queries)):
        part = slice(matched.indptr[q], matched.indptr[q + 1])
        item, score = matched.indices[part], matched.data[part]
        best = np.lexsort((item, -score))[:CANDIDATES]
        yield from ((q, int(i)) for i in item[best])


def _by_vectors(index: Index, queries: Queries) -> Iterator[tuple[int, int]]:
    cosine = queries.vectors @ index.vectors.T
    for q, row in enumerate(cosine):
        if not queries.vectors[q].any():
            continue
        few = min(CANDIDATES, len(row))
        least = np.partition(row, len(row) - few)[len(row) - few]
        item = np.flatnonzero(row >= least)
        yield from ((q, int(i)) for i in item[np.lexsort((item, -row[item]))[:few]] if row[i] > 0)


def _matched(index: Index, queries: Queries, query: int, item: int) -> str:
    """In words: what the query names that the product is, and the words of it that the product's texts hold."""
    names, facets = index.facets.names, index.facets
    owned = {names.values[n] for n in facets.owned.indices[facets.owned.indptr[item] : facets.owned.indptr[item + 1]]}
    owned |= {("measure", size) for size in facets.sizes[item]}
    agreed = [f"{kind} {value}" for kind, value in sorted(queries.understood[query].named & owned)]
    held = index.bm25.whole[queries.asked.indices[_span(queries, query)]][:, [item]].toarray().ravel() > 0
    found = set(queries.asked.indices[_span(queries, query)][held].tolist())
    spoken = [word for word in dict.fromkeys(queries.words[query]) if index.bm25.vocabulary.get(word) in found]
    return "; ".join([*agreed, *(["words " + " ".join(spoken)] if spoken else [])])


def _span(queries: Queries, query: int) -> slice:
    return slice(queries.asked.indptr[query], queries.asked.indptr[query + 1])
