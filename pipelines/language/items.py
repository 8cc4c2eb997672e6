"""Which items' reviews have changed since their summary was made, and those reviews."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from pipelines import lake
from pipelines.contracts import IS_DUPLICATE, LANDING_DATE, REVIEWS, SCORES_ITEM_SUMMARIES
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

MOST_REVIEWS = 2_000
"""Of an item with more, the newest so many make its summary."""


def digests(settings: Settings, night: date, files: Mapping[date, str]) -> dict[str, tuple[int, str]]:
    """Of every item with reviews as of the night, how many they are and a digest of which ones, as delivered when.

    `files`: a digest of the files of each delivery. Only keys and dates are read.
    """
    rows = lake.dataset(settings, REVIEWS.name, lambda day: day in files, dictionaries=["item_id"])
    found: dict[str, tuple[int, str]] = {}
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        keys = rows.to_table(columns=["review_id", "item_id", LANDING_DATE, IS_DUPLICATE])
        connection.register("keys", keys)
        listed = connection.execute(
            f"select item_id, list(review_id || '@' || {LANDING_DATE} order by review_id),"
            f" list(distinct {LANDING_DATE} order by {LANDING_DATE}) from ({newest('keys')}) group by item_id"
        )
        while chunk := listed.fetchmany(10_000):
            for item, reviews, days in chunk:
                said = "\n".join([*reviews, *(f"{day} {files[day]}" for day in days)])
                found[item] = len(reviews), hashlib.sha256(said.encode()).hexdigest()[:16]
    return found


def known(connection: Warehouse, version: str) -> dict[str, str]:
    """Of every item, the digest of the reviews that its summary was made of by the model `version`."""
    return dict(
        connection.execute(
            f"select item_id, reviews_digest from {SCORES_ITEM_SUMMARIES.name} where model_version = ?", [version]
        ).fetchall()
    )


def reviews_of(settings: Settings, night: date, items: list[str]) -> Iterator[tuple[str, "pa.Table"]]:
    """Each item of `items` with its newest reviews (review_id, language, title, body), in order of their ids."""
    import pyarrow as pa

    rows = lake.dataset(settings, REVIEWS.name, lambda day: day <= night)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("reviews", rows)
        connection.register("asked", pa.table({"item_id": pa.array(items, pa.string())}))
        reader = connection.execute(
            f"select item_id, review_id, language, title, body from ({newest('reviews')})"
            " inner join asked using (item_id)"
            " qualify row_number() over (partition by item_id order by created_at desc, review_id) <= ?"
            " order by item_id, review_id",
            [MOST_REVIEWS],
        ).to_arrow_reader(20_000)
        yield from _by_item(reader)


def _by_item(reader: "pa.RecordBatchReader") -> "Iterator[tuple[str, pa.Table]]":
    """Runs of equal item_id of rows that come sorted by it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kept: list[pa.RecordBatch] = []
    for batch in reader:
        names = batch["item_id"]
        start = 0
        while start < len(batch):
            item = names[start].as_py()
            end = start + pc.sum(pc.equal(names.slice(start), item)).as_py()
            if kept and kept[0]["item_id"][0].as_py() != item:
                yield kept[0]["item_id"][0].as_py(), pa.Table.from_batches(kept)
                kept = []
            kept.append(batch.slice(start, end - start))
            start = end
    if kept:
        yield kept[0]["item_id"][0].as_py(), pa.Table.from_batches(kept)


def newest(table: str, key: str = "review_id") -> str:
    """Every text as it was delivered last."""
    return (
        f"select * from {table} where not {IS_DUPLICATE}"
        f" qualify row_number() over (partition by {key} order by {LANDING_DATE} desc) = 1"
    )


def forget(connection: Warehouse, gone: list[str]) -> None:
    for item in gone:
        connection.execute(f"delete from {SCORES_ITEM_SUMMARIES.name} where item_id = ?", [item])
