"""Vectors of products as rows of `scores.item_vectors`: a row stays as it is while what it was made of does."""

from typing import TYPE_CHECKING

from pipelines.contracts import SCORES_ITEM_VECTORS
from pipelines.warehouse import Warehouse, insert

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pipelines.scoring.rows import Stamp

TEXT, PRODUCTS = "text", "products"
"""Spaces: what the encoder of the search makes of a product's text; what is said, shown and heard of it together."""


def vector_rows(space: str, items: "pa.Array", digests: list[str], vectors: "np.ndarray", stamp: "Stamp") -> "pa.Table":
    """Rows for items (string [I]) with vectors float32 [I, d]; an item whose vector is zeros is left out.

    `digests`: of what each vector was made of; equal digests and versions mean an equal vector.
    """
    import numpy as np
    import pyarrow as pa

    from pipelines.scoring.rows import stamped

    kept = np.flatnonzero(vectors.any(axis=1))
    width = vectors.shape[1]
    offsets = pa.array(np.arange(len(kept) + 1, dtype=np.int32) * width)
    flat = pa.array(np.ascontiguousarray(vectors[kept], dtype=np.float32).ravel())
    columns = {
        "item_id": items.take(pa.array(kept)).cast(pa.string()),
        "space": pa.repeat(space, len(kept)),
        "content_digest": pa.array([digests[row] for row in kept], pa.string()),
        "dimension": pa.array(np.full(len(kept), width, dtype=np.int32)),
        "vector": pa.ListArray.from_arrays(offsets, flat),
    }
    return stamped(columns, stamp)


def replace(connection: Warehouse, space: str, rows: "pa.Table | None") -> None:
    """Make the space hold these rows and no others, in the caller's transaction; equal ones are not written again."""
    import pyarrow as pa

    table = SCORES_ITEM_VECTORS.name
    key = ("item_id", "content_digest", "model_version")
    held = set(connection.execute(f"select {', '.join(key)} from {table} where space = ?", [space]).fetchall())
    now = list(zip(*(rows[name].to_pylist() for name in key), strict=True)) if rows is not None else []
    for gone in sorted(held - set(now)):
        connection.execute(
            f"delete from {table} where space = ? and item_id = ? and content_digest = ? and model_version = ?",
            [space, *gone],
        )
    if rows is not None and (fresh := rows.filter(pa.array([one not in held for one in now], pa.bool_()))).num_rows:
        insert(connection, SCORES_ITEM_VECTORS, fresh)
