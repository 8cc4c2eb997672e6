"""What people look for most, and the products for it, as of the newest night."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb

from pipelines import lake
from pipelines.contracts import EVENTS, IS_DUPLICATE, LANDING_DATE
from pipelines.language.catalogue import Shop, searched
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings
from pipelines.vectors.rows import TEXT, vector_rows

if TYPE_CHECKING:
    import pyarrow as pa

HEAD, DAYS = 500, 28
"""Queries that lists are made for: those of the most sessions in so many days."""


def query_products(settings: Settings, night: date, stamp: Stamp) -> "tuple[pa.Table, pa.Table, str] | None":
    """Rows of `scores.query_products` and of `scores.item_vectors`, and who ordered the first; None where the shop logs
    no searches, or has no catalogue.
    """
    asked = head_queries(settings, night)
    shop = searched(settings, night) if asked else None
    if shop is None:
        return None
    import pyarrow.compute as pc

    from models.nlp.search import night as lists

    found = lists.query_products(shop.index, shop.encoder, asked, shop.order.model, settings.top_k)
    columns = {name: found[name].combine_chunks() for name in ("query", "rank", "item_id", "matched")}
    columns["score"] = pc.round(found["score"], DIGITS).combine_chunks()
    rows = stamped(columns, stamp.of(shop.order.name, shop.version))
    return rows, _vectors(shop, stamp), shop.note


def _vectors(shop: Shop, stamp: Stamp) -> "pa.Table":
    """Of every product that can be searched, for all the queries that are no head queries."""
    from models.nlp.search.embedded import DIGEST, ITEM

    items, digests = shop.vectors[ITEM].combine_chunks(), shop.vectors[DIGEST].to_pylist()
    return vector_rows(TEXT, items, digests, shop.index.vectors, stamp.of(shop.encoder.name, shop.encoder.name))


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
