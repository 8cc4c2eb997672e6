"""The step `vectors`: what products are like, and who is like whom, as of the newest night."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pipelines import built, ops, staging
from pipelines.contracts import SCORES_DUPLICATE_PRODUCTS, SCORES_LOOKALIKE_PRODUCTS, VECTOR_TABLES
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.scoring.rows import Stamp
from pipelines.settings import Settings
from pipelines.vectors.rows import PRODUCTS, replace
from pipelines.warehouse import insert

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.contracts import Table


def read_vectors(settings: Settings, night: date, attempt: Attempt) -> dict[str, Any]:
    """Make the tables of vectors, look-alikes and personas those of `night`, the newest one, in one transaction.

    Pictures, sounds and titles are read once; the rest is made anew. Returns counts; raises Superseded where a newer
    attempt has taken over.
    """
    from pipelines.vectors.people import people_by
    from pipelines.vectors.products import duplicate_rows, goods_by, product_rows, space_as_of

    staging.require_whole(settings)
    stamp = Stamp("", "", attempt.id, datetime.now(UTC))
    made: dict[Table, pa.Table] = people_by(settings, night, stamp)
    space = space_as_of(settings, night)
    said: dict[str, Any] = {"note": "no champion of multimodal: products have no vector", "lines": []}
    items = None
    if space is not None:
        goods, read = goods_by(settings, night, space, attempt)
        fault_point("vectors.read")
        items, made[SCORES_LOOKALIKE_PRODUCTS] = product_rows(goods, stamp)
        made[SCORES_DUPLICATE_PRODUCTS] = duplicate_rows(goods, stamp)
        media = {kind: counts for kind, counts in read.items() if kind in ("image", "audio")}
        said = {"note": f"champion {space.name}", "lines": read["lines"], "media": media}
    fault_point("vectors.made")
    with guard(settings, attempt), ops.writing(settings) as connection:
        built.forget(settings, "features", "marts")
        staging.require_whole(settings)
        replace(connection, PRODUCTS, items)
        for table in VECTOR_TABLES:
            connection.execute(f"delete from {table.name}")
            rows = made.get(table)
            if rows is not None and rows.num_rows:
                insert(connection, table, rows)
    counts = {table.name.partition(".")[2]: rows.num_rows for table, rows in made.items()}
    if items is not None:
        counts["item_vectors"] = items.num_rows
    return {"rows": sum(counts.values()), **counts, **said}
