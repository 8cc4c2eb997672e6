"""Products that a catalogue probably holds twice: for data quality, as pairs that a person can look through."""

import re

import numpy as np
import pyarrow as pa

from models.multimodal.lookalike import Model, nearest
from models.nlp.search.tokens import clean

NEIGHBOURS = 10
CERTAIN = 0.97
"""Cosine from which two products are shown as duplicates where their titles do not tell them apart.

Chosen on the 94 pairs of UCI whose codes differ in nothing but the case of a letter, with vectors of MiniLM-L6: from
.97 on 147 pairs are shown, 92 of the 94 among them (one of each of the others has no title), 132 with equal titles;
below .97 begin variants (a small and a large jar)."""
NUMBERS = re.compile(r"\d+(?:[.,]\d+)?")
DUPLICATES = pa.schema(
    [
        ("item_id", pa.string()),
        ("duplicate_item_id", pa.string()),
        ("similarity", pa.float64()),
        ("title_overlap", pa.float64()),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
    ]
)
"""One row per pair, the smaller id first, the likeliest pair first. `similarity`: cosine of the vectors.
`title_overlap`: words of both titles / words of either."""


def duplicates(ids: pa.Array, vectors: np.ndarray, titles: pa.Array, model: Model, least: float = CERTAIN) -> pa.Table:
    """Rows of `DUPLICATES` among items `ids` (string [I]) with vectors [I, d] and titles (string [I], null unknown).

    A pair is one where either is among the `NEIGHBOURS` nearest of the other and their cosine is at least `least`.
    Titles that differ in a number or in one word for another are variants (of size, of colour) and no duplicates,
    however close their vectors: left is what says the same words, or says words that the other leaves out.
    """
    found = nearest(vectors, np.arange(len(ids)), NEIGHBOURS)
    row, place = np.nonzero((found.index >= 0) & (found.cosine >= least))
    other = found.index[row, place].astype(np.int64)
    names = ids.to_pylist()
    said = [frozenset(re.findall(r"[^\W_]+", clean(title))) for title in titles.to_pylist()]
    rows = {}
    for one, two, cosine in zip(row.tolist(), other.tolist(), found.cosine[row, place].tolist(), strict=True):
        pair = tuple(sorted((names[one], names[two])))
        if _told_apart(said[one], said[two]):
            continue
        either = len(said[one] | said[two])
        overlap = len(said[one] & said[two]) / either if either else 0.0
        rows[pair] = {
            "item_id": pair[0], "duplicate_item_id": pair[1], "similarity": cosine, "title_overlap": overlap,
            "model_name": model.name, "model_version": model.version,
        }  # fmt: skip
    ordered = sorted(rows.values(), key=lambda one: (-one["similarity"], one["item_id"], one["duplicate_item_id"]))
    return pa.Table.from_pylist(ordered, schema=DUPLICATES)


def _told_apart(one: frozenset[str], other: frozenset[str]) -> bool:
    """Each says a word that the other does not, or their numbers differ."""
    numbers = [{word for word in words if NUMBERS.fullmatch(word)} for words in (one, other)]
    return bool(one - other and other - one) or numbers[0] != numbers[1]
