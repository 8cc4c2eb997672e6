"""Load committed lake rows into the warehouse's `raw` tables: whatever partition differs, no other.

The lake is the truth and `ops.loaded_days` says which files of it the warehouse holds, so loading is a comparison:
after a kill, a backfill or a month of history the same call makes both equal again.
"""

import contextlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from pipelines import built, lake, ops, staging
from pipelines.audit import verdicts
from pipelines.contracts import (
    ENTITIES,
    EVENT_DATE,
    EVENTS,
    OPS_LOADED_DAYS,
    OPS_PENDING_DAYS,
    RAW_TABLES,
    SCORES_RECOMMENDATIONS,
    Entity,
)
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.settings import Batch, Settings, night
from pipelines.warehouse import Warehouse, upsert


def load(settings: Settings, batch: Batch, attempt: Attempt) -> dict[str, Any]:
    """One transaction for all entities. Returns partitions and rows loaded.

    Refuses while a batch is only partly in the lake: what came with it later would miss from what is built now.
    """
    partitions: dict[str, int] = {}
    rows = 0
    with guard(settings, attempt), ops.writing(settings) as connection:
        staging.require_whole(settings)
        for entity in ENTITIES.values():
            changed = _changed(settings, connection, entity)
            if changed and not any(partitions.values()):
                _doubt_scores(settings, connection, batch)
            if changed:
                built.forget(settings, "features", "marts")
                rows += _load_partitions(settings, connection, entity, changed)
            partitions[entity.name] = len(changed)
            fault_point(f"load.{entity.name}")
    return {"rows": rows, "partitions": partitions, "lake_version": lake.version(settings)}


def _doubt_scores(settings: Settings, connection: Warehouse, batch: Batch) -> None:
    """Nights from this batch on were scored without what it brings: none of them is published before it is scored
    again, even where nobody runs `rescore`.
    """
    table = SCORES_RECOMMENDATIONS.name
    rows = connection.execute(f"select distinct scored_for from {table} where scored_for >= ?", [batch.first])
    for (day,) in rows.fetchall():
        verdicts.forget(settings, "scores", night(day))


def _changed(settings: Settings, connection: Warehouse, entity: Entity) -> dict[date, str]:
    """Partition dates whose committed files are not the ones loaded; '' where a partition has vanished."""
    held: dict[date, str] = dict(
        connection.execute(
            f"select partition_date, files_digest from {OPS_LOADED_DAYS.name} where entity = ?", [entity.name]
        ).fetchall()
    )
    committed = lake.digests(settings, entity.name)
    changed = {d: digest for d, digest in committed.items() if held.get(d) != digest}
    return changed | {d: "" for d in held if d not in committed}


def _load_partitions(settings: Settings, connection: Warehouse, entity: Entity, changed: dict[date, str]) -> int:
    target = RAW_TABLES[entity.name]
    dates = sorted(changed)
    connection.execute(f"delete from {target.name} where {entity.partition} = any(?)", [dates])
    with _originals(settings, entity, dates) as rows:
        connection.insert(target.name, rows)
    counts: dict[date, int] = dict(
        connection.execute(
            f"select {entity.partition}, count(*) from {target.name}"
            f" where {entity.partition} = any(?) group by {entity.partition}",
            [dates],
        ).fetchall()
    )
    _remember(connection, entity, changed, counts)
    return sum(counts.values())


@contextlib.contextmanager
def _originals(settings: Settings, entity: Entity, dates: list[date]) -> Iterator[pa.RecordBatchReader]:
    """Committed rows without duplicates as the raw table has them, in the order of its key; streamed."""
    target = RAW_TABLES[entity.name]
    values = ", ".join(_value(entity, n) for n in target.names)
    spill = settings.run / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit, "temp_directory": str(spill), "threads": "2",
    }  # fmt: skip
    with duckdb.connect(config=config) as bench:
        bench.execute("set timezone = 'UTC'")
        bench.register("committed", lake.dataset(settings, entity.name, dates))
        yield bench.execute(
            f"select {values} from committed where not is_duplicate order by {', '.join(target.key)}"
        ).to_arrow_reader(131_072)


def _value(entity: Entity, name: str) -> str:
    """A map becomes JSON text with its keys in order, so that equal maps are equal text."""
    kinds = {c.name: c.kind for c in entity.columns}
    if kinds.get(name) == "map":
        return f'cast(to_json(map_from_entries(list_sort(map_entries("{name}")))) as text) as "{name}"'
    return f'"{name}"'


def _remember(connection: Warehouse, entity: Entity, changed: dict[date, str], counts: dict[date, int]) -> None:
    table = OPS_LOADED_DAYS.name
    connection.execute(
        f"delete from {table} where entity = ? and partition_date = any(?)", [entity.name, sorted(changed)]
    )
    held = [(d, digest) for d, digest in sorted(changed.items()) if digest]
    if held:
        columns = {
            "entity": [entity.name] * len(held), "partition_date": [d for d, _ in held],
            "files_digest": [digest for _, digest in held], "rows": [counts.get(d, 0) for d, _ in held],
        }  # fmt: skip
        connection.insert(table, pa.table(columns))
    if entity is EVENTS:
        _pending(connection, changed)


def _pending(connection: Warehouse, changed: dict[date, str]) -> None:
    rows = [{EVENT_DATE: day, "files_digest": digest} for day, digest in sorted(changed.items())]
    upsert(connection, OPS_PENDING_DAYS, rows)
