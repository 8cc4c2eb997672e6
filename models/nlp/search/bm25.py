"""BM25 over fields: an inverted index of words as sparse arrays, for whole-catalogue search and for single pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from models.nlp.search.tokens import words

WEIGHTS = {"title": 3.0, "brand": 2.0, "category": 1.5, "attributes": 1.0, "description": 0.5}
"""What a word in each field counts; convention, the same for every catalogue."""
SHORTEN = {"title": 0.3, "brand": 0.0, "category": 0.3, "attributes": 0.5, "description": 0.7}
"""b of each field: how much a long text is held against its words."""
K1 = 1.2


@dataclass(frozen=True)
class Bm25:
    """D texts of several fields by T words.

    `whole` float32 [T, D] holds what each word adds to each document over all fields, `fields` the same for every field
    alone, `idf` float32 [T].
    """

    vocabulary: dict[str, int]
    idf: np.ndarray
    whole: sparse.csr_array
    fields: dict[str, sparse.csr_array]

    @cached_property
    def by_document(self) -> list[sparse.csr_array]:
        """`whole` and each of `fields`, turned."""
        return [sparse.csr_array(part.T) for part in (self.whole, *self.fields.values())]

    def search(self, asked: sparse.csr_array) -> sparse.csr_array:
        """float32 [Q, D] of queries [Q, T]; documents without any of the words are not stored."""
        return sparse.csr_array(asked @ self.whole)

    def pairs(self, asked: sparse.csr_array, query: np.ndarray, document: np.ndarray) -> np.ndarray:
        """float32 [P, 1 + fields]: the score of each pair over all fields, then in each field alone."""
        chosen = asked[query]
        parts = self.by_document
        columns = [np.asarray(chosen.multiply(part[document]).sum(axis=1)).ravel() for part in parts]
        return np.stack(columns, axis=1).astype(np.float32)

    def asked(self, queries: Sequence[str | None]) -> sparse.csr_array:
        """float32 [Q, T]: 1 where a query holds a word that some document holds."""
        held = [sorted({self.vocabulary[w] for w in words(q) if w in self.vocabulary}) for q in queries]
        return _rows(held, len(self.vocabulary))

    def arrays(self) -> dict[str, np.ndarray]:
        found = {"words": _joined(self.vocabulary), "idf": self.idf, **_parts("whole", self.whole)}
        for name, matrix in self.fields.items():
            found |= _parts(f"field.{name}", matrix)
        return found


def build(fields: Mapping[str, Sequence[str | None]]) -> Bm25:
    """BM25F (Robertson, Zaragoza and Taylor 2004) of D documents, each field a text of every document or None.

    A word's weight in a document is w = Σ_f weight_f · tf_f / (1 − b_f + b_f · length_f / mean length_f); it adds
    idf · w · (k₁ + 1) / (k₁ + w), idf = log(1 + (D − n + ½) / (n + ½)), n the documents with it in any field.
    Raises `ValueError` for a field without a weight.
    """
    unknown = set(fields) - set(WEIGHTS)
    if unknown:
        raise ValueError(f"no weight for the field {min(unknown)}; fields are {', '.join(WEIGHTS)}")
    documents = len(next(iter(fields.values())))
    vocabulary: dict[str, int] = {}
    counts = {name: _counted(texts, vocabulary) for name, texts in fields.items()}
    shape = (documents, len(vocabulary))
    counts = {name: sparse.csr_array((c.data, c.indices, c.indptr), shape=shape) for name, c in counts.items()}
    held = sum((c.sign() for c in counts.values()), sparse.csr_array(shape, dtype=np.float32)).sign()
    n = np.bincount(held.indices, minlength=shape[1])
    idf = np.log1p((documents - n + 0.5) / (n + 0.5)).astype(np.float32)
    evened = {name: _evened(c, SHORTEN[name]) for name, c in counts.items()}
    whole = sum((evened[name] * WEIGHTS[name] for name in evened), sparse.csr_array(shape, dtype=np.float32))
    return Bm25(
        vocabulary, idf, _saturated(sparse.csr_array(whole), idf), {k: _saturated(v, idf) for k, v in evened.items()}
    )


def restore(arrays: Mapping[str, np.ndarray]) -> Bm25:
    """The inverse of `Bm25.arrays`."""
    vocabulary = {word: n for n, word in enumerate(_split(arrays["words"]))}
    names = [name.split(".")[1] for name in arrays if name.startswith("field.") and name.endswith(".data")]
    shape = len(vocabulary), int(arrays["whole.columns"][0])
    fields = {name: _whole(arrays, f"field.{name}", shape) for name in WEIGHTS if name in names}
    return Bm25(vocabulary, arrays["idf"], _whole(arrays, "whole", shape), fields)


def _counted(texts: Sequence[str | None], vocabulary: dict[str, int]) -> sparse.csr_array:
    """float32 [D, words so far]; words that are new get the next numbers. Each different text is cut up once."""
    seen: dict[str, list[int]] = {}
    rows = []
    for text in texts:
        known = seen.get(text or "")
        if known is None:
            known = seen[text or ""] = [vocabulary.setdefault(word, len(vocabulary)) for word in words(text)]
        rows.append(known)
    return _rows(rows, len(vocabulary))


def _rows(rows: Sequence[Sequence[int]], columns: int) -> sparse.csr_array:
    indices = np.fromiter((n for row in rows for n in row), dtype=np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    matrix = sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(rows), columns))
    matrix.sum_duplicates()
    return matrix


def _evened(counts: sparse.csr_array, b: float) -> sparse.csr_array:
    length = np.asarray(counts.sum(axis=1)).ravel()
    mean = float(length[length > 0].mean()) if (length > 0).any() else 1.0
    norm = 1 - b + b * length / mean
    evened = counts.copy()
    evened.data = (counts.data / np.repeat(norm, np.diff(counts.indptr))).astype(np.float32)
    return evened


def _saturated(weights: sparse.csr_array, idf: np.ndarray) -> sparse.csr_array:
    found = weights.copy()
    found.data = (idf[found.indices] * found.data * (K1 + 1) / (K1 + found.data)).astype(np.float32)
    turned = sparse.csr_array(found.T)
    turned.sort_indices()
    return turned


def _parts(name: str, matrix: sparse.csr_array) -> dict[str, np.ndarray]:
    columns = np.array([matrix.shape[1]], dtype=np.int64)
    return {
        f"{name}.data": matrix.data, f"{name}.indices": matrix.indices, f"{name}.indptr": matrix.indptr,
        f"{name}.columns": columns,
    }  # fmt: skip


def _whole(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, int]) -> sparse.csr_array:
    parts = arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"]
    return sparse.csr_array(parts, shape=shape)


def _joined(vocabulary: Mapping[str, int]) -> np.ndarray:
    """A word holds no line break, so one between each two tells them apart."""
    return np.frombuffer("\n".join(vocabulary).encode(), dtype=np.uint8)


def _split(joined: np.ndarray) -> list[str]:
    text = joined.tobytes().decode()
    return text.split("\n") if text else []
