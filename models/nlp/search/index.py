"""All that is known of a catalogue before anybody asks: words, vectors, names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from models.nlp.search import bm25
from models.nlp.search.bm25 import Bm25
from models.nlp.search.catalogue import FIELDS, Catalogue
from models.nlp.search.encoders import Encoder
from models.nlp.search.tokens import clean, words
from models.nlp.search.understanding import Facets, Names, Understood


@dataclass(frozen=True)
class Index:
    """I items. `vectors` float32 [I, d], rows of length 1, by the encoder that also reads the queries."""

    catalogue: Catalogue
    bm25: Bm25
    vectors: np.ndarray
    facets: Facets
    title_words: list[list[str]]
    title_letters: sparse.csr_array  # float32 [I, groups], rows of length 1
    heads: list[str]  # what each product is, in one word: the last of its title before "for", "with" or a sign


@dataclass(frozen=True)
class Queries:
    """Q queries, read once."""

    texts: list[str]
    words: list[list[str]]
    asked: sparse.csr_array  # float32 [Q, T]
    vectors: np.ndarray  # float32 [Q, d]
    understood: list[Understood]
    letters: sparse.csr_array = field(repr=False)  # float32 [Q, groups]

    def __len__(self) -> int:
        return len(self.texts)


def build(catalogue: Catalogue, vectors: np.ndarray) -> Index:
    """`vectors` float32 [I, d] of the catalogue's items (`Catalogue.spoken`). Raises `ValueError` for another count."""
    if len(vectors) != len(catalogue):
        raise ValueError(f"{len(vectors)} vectors for {len(catalogue)} items")
    given = {name: catalogue.texts[name] for name in FIELDS if name == "title" or any(catalogue.texts[name])}
    titles = catalogue.texts["title"]
    facets = Facets.of(catalogue, Names.of(catalogue))
    return Index(
        catalogue,
        bm25.build(given),
        vectors,
        facets,
        [words(t) for t in titles],
        letters(titles),
        [head(t) for t in titles],
    )


def read(index: Index, encoder: Encoder, queries: Sequence[str]) -> Queries:
    """Queries in the words, vectors and names of the index."""
    texts = list(queries)
    return Queries(
        texts, [words(q) for q in texts], index.bm25.asked(texts), encoder.encode(texts),
        [index.facets.names.understand(q) for q in texts], letters(texts),
    )  # fmt: skip


WIDTH = 1 << 18
_HEAD_ENDS = re.compile(r"\s(?:for|with|by|in|of|from|featuring|w/)\s|[,(\[|:;]|\s[-–—]\s")


def head(title: str | None) -> str:
    """What the product is: the last word before the title goes on to say what it is for, or of which colour."""
    first = _HEAD_ENDS.split(clean(title), maxsplit=1)[0]
    named = [word for word in words(first) if not word.isdigit()]
    return named[-1] if named else ""


def letters(texts: Sequence[str | None]) -> sparse.csr_array:
    """float32 [n, WIDTH]: which groups of four letters a text holds, its spaces left out: `light bulb` is `lightbulb`.

    A group's column is a polynomial of its code points, the same on every machine; rows are of length 1.
    """
    rows = []
    for text in texts:
        codes = np.frombuffer("".join(clean(text)[:400].split()).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
        grams = len(codes) - 3
        hashed = sum((codes[n : n + grams] * np.uint64(31**n) for n in range(4)), np.zeros(max(grams, 0), np.uint64))
        rows.append(
            np.unique(hashed * np.uint64(2654435761) % np.uint64(WIDTH)) if grams > 0 else np.zeros(0, np.uint64)
        )
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    values = np.concatenate(
        [np.full(len(row), len(row) ** -0.5, np.float32) for row in rows if len(row)] or [np.zeros(0, np.float32)]
    )
    indices = np.concatenate([*rows, np.zeros(0, np.uint64)]).astype(np.int64)
    return sparse.csr_array((values.astype(np.float32), indices, indptr), shape=(len(rows), WIDTH))
