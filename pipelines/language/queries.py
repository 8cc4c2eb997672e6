"""What people look for most, and the products for it, as of the newest night."""

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb

from pipelines import lake
from pipelines.contracts import EVENTS, IS_DUPLICATE, LANDING_DATE
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings
from pipelines.training_run import availability

if TYPE_CHECKING:
    import pyarrow as pa

    from models.nlp.search.catalogue import Catalogue
    from models.nlp.search.encoders import Encoder

HEAD, DAYS = 500, 28
"""Queries that lists are made for: those of the most sessions in so many days."""
NAME = "fused_ranks"
VECTORS = "search"


def query_products(settings: Settings, night: date, stamp: Stamp) -> "pa.Table | None":
    """Rows of `scores.query_products`; None where the shop logs no searches, or has no catalogue.

    Ranked are the products on sale that night; the vectors of those whose text is as before are kept from then.
    """
    asked = head_queries(settings, night)
    products = lake.products(settings, night)
    if not asked or not products.num_rows:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    from models.nlp.search import night as lists
    from models.nlp.search.catalogue import Catalogue
    from models.nlp.search.embedded import embedded, matrix
    from models.nlp.search.encoders import encoder_for
    from models.nlp.search.index import build

    products = products.filter(pa.array(availability(products, products["item_id"].combine_chunks(), night)))
    renamed = products.rename_columns(["category" if n == "category_path" else n for n in products.column_names])
    catalogue = Catalogue.of(renamed)
    encoder = encoder_for(catalogue.spoken())
    known, _ = embedded(catalogue, encoder, _kept(settings))
    _keep(settings, known)
    found = lists.query_products(build(catalogue, matrix(known)), encoder, asked, None, settings.top_k)
    columns = {name: found[name].combine_chunks() for name in ("query", "rank", "item_id", "matched")}
    columns["score"] = pc.round(found["score"], DIGITS).combine_chunks()
    return stamped(columns, stamp.of(NAME, _version(encoder, catalogue)))


def head_queries(settings: Settings, night: date) -> list[str]:
    """In small letters, the most wanted first."""
    events = lake.dataset(settings, EVENTS.name, lambda day: night - timedelta(DAYS) < day <= night)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("events", events)
        rows = connection.execute(
            "select lower(trim(query)) as asked, count(distinct coalesce(session_id, event_id)) as sessions"
            f" from events where event_type = 'search' and {LANDING_DATE} <= ? and not {IS_DUPLICATE}"
            " and trim(query) <> '' group by asked order by sessions desc, asked limit ?",
            [night, HEAD],
        ).fetchall()
    return [row[0] for row in rows]


def _version(encoder: "Encoder", catalogue: "Catalogue") -> str:
    said = "\n".join([encoder.name, *catalogue.spoken()])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _kept(settings: Settings) -> "pa.Table | None":
    """The vectors of the night before; only to save time, so what cannot be read is made anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(settings.models / VECTORS / "items.parquet")
    except (OSError, pa.ArrowInvalid):
        return None


def _keep(settings: Settings, vectors: "pa.Table") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.files import write_atomic

    sink = pa.BufferOutputStream()
    pq.write_table(vectors, sink)
    (settings.models / VECTORS).mkdir(parents=True, exist_ok=True)
    write_atomic(settings.models / VECTORS / "items.parquet", sink.getvalue().to_pybytes())
