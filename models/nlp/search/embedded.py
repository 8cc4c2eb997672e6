"""The vector of every item, night after night: only what is new or says something else is read again."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.nlp.search.catalogue import Catalogue
from models.nlp.search.encoders import Encoder

ITEM, ENCODER, DIGEST, VECTOR = "item_id", "encoder", "text_digest", "vector"
SCHEMA = pa.schema(
    [(ITEM, pa.string()), (ENCODER, pa.string()), (DIGEST, pa.string()), (VECTOR, pa.list_(pa.float32()))]
)


def embedded(catalogue: Catalogue, encoder: Encoder, known: pa.Table | None = None) -> tuple[pa.Table, int]:
    """A row of `SCHEMA` for every item, in the catalogue's order, and how many of them had to be read.

    `known`: the rows of an earlier night. A row of it is kept where item, encoder and the digest of the text are the
    same; since an encoder gives one vector for one text, the result equals that of a run without `known`.
    """
    texts = catalogue.spoken()
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] for text in texts]
    found: list[np.ndarray | None] = [None] * len(texts)
    if known is not None:
        before = _by_key(known, encoder.name)
        found = [before.get(key) for key in zip(catalogue.item_id, digests, strict=True)]
    new = [n for n, vector in enumerate(found) if vector is None]
    for n, vector in zip(new, encoder.encode([texts[n] for n in new]), strict=True) if new else ():
        found[n] = vector
    rows = np.stack([v for v in found if v is not None]) if found else np.zeros((0, 1), np.float32)
    columns = {
        ITEM: pa.array(catalogue.item_id, pa.string()),
        ENCODER: pa.array([encoder.name] * len(texts), pa.string()),
        DIGEST: pa.array(digests, pa.string()),
        VECTOR: _lists(rows),
    }
    return pa.table(columns, schema=SCHEMA), len(new)


def matrix(table: pa.Table) -> np.ndarray:
    """float32 [I, d] of the rows of `SCHEMA`. Raises `ValueError` where they are of different lengths."""
    vectors = table[VECTOR].combine_chunks()
    widths = np.diff(vectors.offsets.to_numpy())
    if len(widths) and (widths != widths[0]).any():
        raise ValueError("vectors of different lengths in one table")
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat.reshape(len(widths), -1 if len(flat) else 0), dtype=np.float32)


def _by_key(known: pa.Table, encoder: str) -> dict[tuple[str, str], np.ndarray]:
    rows = known.filter(pc.equal(known[ENCODER], encoder))
    keys = zip(rows[ITEM].to_pylist(), rows[DIGEST].to_pylist(), strict=True)
    return dict(zip(keys, matrix(rows), strict=True))


def _lists(rows: np.ndarray) -> pa.Array:
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.ravel(), pa.float32()))
