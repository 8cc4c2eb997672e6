"""What is known of a query and a product side by side: the columns that the relevance model learns from."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import sparse

from models.nlp.search.bm25 import WEIGHTS
from models.nlp.search.fusion import fuse, ranks
from models.nlp.search.index import Index, Queries
from models.nlp.search.understanding import KINDS

SCORES = ("bm25", "cosine", "fusion")
TEXTUAL = (
    "title_share", "title_weight", "any_weight", "missing_weight", "phrase", "longest_run", "pairs_share", "first_at",
    "last_word_in_title", "head_in_query", "last_word_is_head", "title_in_query", "letters",
)  # fmt: skip
BESIDE = (
    "bm25_rank", "cosine_rank", "bm25_gap", "cosine_gap", "title_gap", "like_all", "like_best", "words_like_best",
    "list_cosine",
)  # fmt: skip
LENGTHS = ("query_words", "title_words", "query_weight", "rarest_word", "popularity")
NAMES = (*SCORES, *(f"bm25_{name}" for name in WEIGHTS), *TEXTUAL, *BESIDE, *KINDS, *LENGTHS)
PAIRS = 50_000
BEST = 5
"""Products at the top of the fused list that the others are compared with (pseudo-relevance feedback, Rocchio 1971)."""


def columns(index: Index, queries: Queries, query: np.ndarray, item: np.ndarray) -> np.ndarray:
    """float32 [P, len(NAMES)] for P pairs, `query` and `item` int [P]; the rows of one query are its list.

    Ranks, gaps and likeness to the top are taken within that list: no other query and no grade has a part in it.
    """
    found = np.zeros((len(query), len(NAMES)), dtype=np.float32)
    for rows in _blocks(query):
        found[rows] = _block(index, queries, query[rows], item[rows])
    return found


def _blocks(query: np.ndarray) -> Iterator[np.ndarray]:
    """Rows int [n] of whole lists, about `PAIRS` at a time: what bounds the memory, whatever the number of pairs."""
    order = np.argsort(query, kind="stable")
    before = np.searchsorted(query[order], query[order])  # rows before the list that a row belongs to
    ends = np.flatnonzero(np.diff(before // PAIRS)) + 1
    yield from (rows for rows in np.split(order, ends) if len(rows))


def _block(index: Index, queries: Queries, query: np.ndarray, item: np.ndarray) -> np.ndarray:
    matched = index.bm25.pairs(queries.asked, query, item)
    fields = dict(zip(index.bm25.fields, matched[:, 1:].T, strict=True))
    cosine = _dot(queries.vectors[query], index.vectors[item])
    fused = fuse([matched[:, 0], cosine], query)
    absent = np.zeros(len(query), dtype=np.float32)
    parts = [matched[:, 0], cosine, fused, *(fields.get(name, absent) for name in WEIGHTS)]
    parts += [*_textual(index, queries, query, item).T]
    parts += _beside(index, query, item, matched[:, 0], cosine, fields["title"], fused)
    parts += [*index.facets.agree(queries.understood, query, item).T, *_lengths(index, queries, query, item)]
    return np.stack(parts, axis=1).astype(np.float32)


def _textual(index: Index, queries: Queries, query: np.ndarray, item: np.ndarray) -> np.ndarray:
    held = index.bm25.by_document[0]
    places = index.bm25.vocabulary
    rarest = float(index.bm25.idf.max(initial=1.0))
    rows = np.zeros((len(query), len(TEXTUAL)), dtype=np.float32)
    for row, (q, i) in enumerate(zip(query.tolist(), item.tolist(), strict=True)):
        asked, title = queries.words[q], index.title_words[i]
        if not asked or not title:
            rows[row, 7] = 1.0
            continue
        inside = set(title)
        own = set(held.indices[held.indptr[i] : held.indptr[i + 1]].tolist())
        weights = [float(index.bm25.idf[places[word]]) if word in places else rarest for word in asked]
        total = sum(weights)
        in_title = [word in inside for word in asked]
        anywhere = [places.get(word, -1) in own for word in asked]
        run = _longest_run(asked, title)
        pairs = list(pairwise(asked))
        held_pairs = set(pairwise(title))
        rows[row, :12] = (
            sum(in_title) / len(asked),
            sum(w for w, yes in zip(weights, in_title, strict=True) if yes) / total,
            sum(w for w, yes in zip(weights, anywhere, strict=True) if yes) / total,
            max((w for w, yes in zip(weights, anywhere, strict=True) if not yes), default=0.0),
            run == len(asked),
            run / len(asked),
            sum(p in held_pairs for p in pairs) / len(pairs) if pairs else float(in_title[0]),
            next((n for n, word in enumerate(title) if word in asked), len(title)) / len(title),
            in_title[-1],
            index.heads[i] in asked,
            index.heads[i] == asked[-1],
            sum(word in asked for word in title) / len(title),
        )
    rows[:, 12] = np.asarray(queries.letters[query].multiply(index.title_letters[item]).sum(axis=1)).ravel()
    return rows


def _longest_run(asked: list[str], title: list[str]) -> int:
    """Most words of the query that stand in the title side by side and in its order."""
    best = 0
    before = [0] * (len(asked) + 1)
    for word in title:
        now = [0] * (len(asked) + 1)
        for n, wanted in enumerate(asked):
            if word == wanted:
                now[n + 1] = before[n] + 1
                best = max(best, now[n + 1])
        before = now
    return best


def _beside(
    index: Index,
    query: np.ndarray,
    item: np.ndarray,
    matched: np.ndarray,
    cosine: np.ndarray,
    title: np.ndarray,
    fused: np.ndarray,
) -> list[np.ndarray]:
    """How a product stands among the others of its list. Its own part in a mean is taken out of it."""
    size = np.bincount(query)[query]
    place = ranks(fused, query)
    best = place <= np.minimum(BEST, np.maximum(1, size // 2))
    everything = np.ones(len(query), dtype=bool)
    vectors = index.vectors[item]
    like_all, like_best = (_likeness(vectors, query, chosen) for chosen in (everything, best))
    return [
        (ranks(matched, query) - 0.5) / size, (ranks(cosine, query) - 0.5) / size, _gap(matched, query),
        _gap(cosine, query), _gap(title, query), like_all, like_best, _likeness(index.title_letters[item], query, best),
        _mean(cosine, query)[query],
    ]  # fmt: skip


def _likeness(rows: np.ndarray | sparse.csr_array, query: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean product with the chosen rows of the list, the row itself left out; 0 where there is no other.

    `rows` [P, d], dense or sparse; `chosen` bool [P].
    """
    lists = int(query.max(initial=-1)) + 1
    places = (query[chosen], np.flatnonzero(chosen))
    member = sparse.csr_array((np.ones(int(chosen.sum())), places), shape=(lists, len(query)))
    total = member @ rows
    others = np.bincount(query[chosen], minlength=lists)[query] - chosen
    own = np.where(chosen, _products(rows, rows), 0.0)
    return np.asarray((_products(total[query], rows) - own) / np.maximum(others, 1))


def _products(one: np.ndarray | sparse.csr_array, other: np.ndarray | sparse.csr_array) -> np.ndarray:
    """float [P]: the product of each row with the row beside it."""
    if isinstance(one, np.ndarray):
        return _dot(one, other)
    return np.asarray(one.multiply(other).sum(axis=1)).ravel()


def _lengths(index: Index, queries: Queries, query: np.ndarray, item: np.ndarray) -> list[np.ndarray]:
    weights = [[float(index.bm25.idf[n]) for n in queries.asked.indices[a:b]] for a, b in _spans(queries)]
    asked = np.array([len(w) for w in queries.words], dtype=np.float32)
    titles = np.array([len(w) for w in index.title_words], dtype=np.float32)
    mean = np.array([sum(w) / len(w) if w else 0.0 for w in weights])
    rarest = np.array([max(w, default=0.0) for w in weights])
    with np.errstate(invalid="ignore"):
        popularity = np.log1p(index.catalogue.popularity)
    return [asked[query], titles[item], mean[query], rarest[query], popularity[item]]


def _spans(queries: Queries) -> list[tuple[int, int]]:
    ends = queries.asked.indptr.tolist()
    return list(pairwise(ends))


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("pd,pd->p", one, other))


def _mean(values: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(query, values) / np.maximum(np.bincount(query), 1))


def _gap(values: np.ndarray, query: np.ndarray) -> np.ndarray:
    """(value − mean of the list) / deviation in the list."""
    mean = _mean(values, query)
    spread = np.sqrt(_mean((values - mean[query]) ** 2, query))
    return np.asarray((values - mean[query]) / (spread[query] + 1e-9))
