"""Users like a user and products like a product: the nearest vectors by cosine, exactly, by the scoring engine."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.recommender.engine.engine import Engine
from models.recommender.engine.plan import Filters

K = 20
BLOCK = 50_000
PRODUCTS = pa.schema(
    [
        ("item_id", pa.string()),
        ("rank", pa.int32()),
        ("lookalike_item_id", pa.string()),
        ("similarity", pa.float64()),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
    ]
)
"""One row per item and rank: the products most like it. `similarity`: cosine, −1 to 1, falling with the rank."""


@dataclass(frozen=True)
class Model:
    """What made vectors: vectors of different models, or of different versions of one, are never compared."""

    name: str
    version: str


@dataclass(frozen=True)
class Nearest:
    index: np.ndarray  # int32 [n, k], −1 pads
    cosine: np.ndarray  # float32 [n, k], −inf in padding


def nearest(vectors: np.ndarray, asked: np.ndarray, k: int = K, among: np.ndarray | None = None) -> Nearest:
    """The k rows of `vectors` float32 [n, d] most like each of the rows `asked` (int [m]), itself left out.

    `among` bool [n]: the rows that may be found, all where None. A row of zeros is like nothing, and is not found.
    Ties go to the smaller index.
    """
    rows = unit_rows(vectors)
    said = np.asarray(rows.any(axis=1))
    engine = Engine(rows, available=said if among is None else said & among)
    index, cosine = [np.empty((0, k), np.int32)], [np.empty((0, k), np.float32)]
    for start in range(0, len(asked), BLOCK):
        block = asked[start : start + BLOCK]
        itself = sparse.csr_array(
            (np.ones(len(block), dtype=bool), (np.arange(len(block)), block)), shape=(len(block), len(rows))
        )
        found = engine.rank(rows[block], k, Filters(banned=itself))
        silent = ~said[block]
        index.append(np.where(silent[:, None], -1, found.items).astype(np.int32))
        cosine.append(np.where(silent[:, None], -np.inf, found.scores).astype(np.float32))
    return Nearest(np.concatenate(index), np.concatenate(cosine))


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """float32 rows of length 1; rows of zeros stay."""
    length = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    return np.ascontiguousarray(vectors / np.where(length > 0, length, 1), dtype=np.float32)


def product_rows(
    ids: pa.Array, vectors: np.ndarray, model: Model, k: int = K, available: np.ndarray | None = None
) -> pa.Table:
    """Rows of `PRODUCTS` for the items `ids` (string [I]) with these vectors [I, d]; those without one have none."""
    found = nearest(vectors, np.arange(len(ids)), k, available)
    row, place = np.nonzero(found.index >= 0)
    columns = [
        ids.take(pa.array(row)), pa.array(place + 1, pa.int32()), ids.take(pa.array(found.index[row, place])),
        pa.array(found.cosine[row, place].astype(np.float64)), *_by(model, len(row)),
    ]  # fmt: skip
    return pa.table([column.cast(field.type) for column, field in zip(columns, PRODUCTS, strict=True)], schema=PRODUCTS)


def user_vectors_schema(dimension: int) -> pa.Schema:
    """One row per user with a vector. `vector`: fixed-size list of float32, `dimension` values, as learned."""
    return pa.schema(
        [
            ("user_id", pa.string()),
            ("dimension", pa.int32()),
            ("vector", pa.list_(pa.float32(), dimension)),
            ("model_name", pa.string()),
            ("model_version", pa.string()),
        ]
    )


def user_vector_rows(ids: pa.Array, vectors: np.ndarray, model: Model) -> pa.Table:
    """Rows of `user_vectors_schema` for users `ids` (string [U]) with vectors float32 [U, d]; zeros are left out."""
    kept = np.flatnonzero(vectors.any(axis=1))
    width = vectors.shape[1]
    flat = pa.array(np.ascontiguousarray(vectors[kept], dtype=np.float32).ravel())
    columns = [
        ids.take(pa.array(kept)).cast(pa.string()), pa.array(np.full(len(kept), width), pa.int32()),
        pa.FixedSizeListArray.from_arrays(flat, width), *_by(model, len(kept)),
    ]  # fmt: skip
    return pa.table(columns, schema=user_vectors_schema(width))


def _by(model: Model, rows: int) -> list[pa.Array]:
    return [pa.array([model.name] * rows, pa.string()), pa.array([model.version] * rows, pa.string())]
