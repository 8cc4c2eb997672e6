"""The vector of every product that can be searched, as rows: a row stays as it is while its text and encoder do."""

from typing import TYPE_CHECKING

from pipelines.contracts import SCORES_ITEM_VECTORS
from pipelines.warehouse import Warehouse, insert

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.scoring.rows import Stamp

SPACE = "text"


def vector_rows(vectors: "pa.Table", encoder: str, stamp: "Stamp") -> "pa.Table":
    """Rows of `scores.item_vectors` out of those of `models.nlp.search.embedded`."""
    import pyarrow as pa

    from models.nlp.search.embedded import DIGEST, ITEM, VECTOR
    from pipelines.scoring.rows import stamped

    count = vectors.num_rows
    lists = vectors[VECTOR].combine_chunks()
    columns = {
        "item_id": vectors[ITEM].combine_chunks(),
        "space": pa.repeat(SPACE, count),
        "text_digest": vectors[DIGEST].combine_chunks(),
        "dimension": pa.array(lists.value_lengths(), pa.int32()),
        "vector": lists,
    }
    return stamped(columns, stamp.of(encoder, encoder))


def replace(connection: Warehouse, rows: "pa.Table") -> None:
    """Make the table hold these rows and no others, in the caller's transaction; equal ones are not written again."""
    import pyarrow as pa

    table = SCORES_ITEM_VECTORS.name
    key = ("item_id", "text_digest", "model_version")
    held = set(connection.execute(f"select {', '.join(key)} from {table} where space = ?", [SPACE]).fetchall())
    now = list(zip(*(rows[name].to_pylist() for name in key), strict=True))
    for gone in sorted(held - set(now)):
        connection.execute(
            f"delete from {table} where space = ? and item_id = ? and text_digest = ? and model_version = ?",
            [SPACE, *gone],
        )
    fresh = rows.filter(pa.array([one not in held for one in now], pa.bool_()))
    if fresh.num_rows:
        insert(connection, SCORES_ITEM_VECTORS, fresh)
