"""A small hand-made shop in the warehouse, and what its tables hold."""

import hashlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pipelines.contracts import ENTITIES, EVENT_DATE, OPS_PENDING_DAYS, RAW_TABLES, Table
from pipelines.settings import Settings
from pipelines.warehouse import columns_of, insert, open_warehouse, transaction

DAY = [date(2024, 1, n) for n in range(1, 32)]
"""DAY[0] is 1 January 2024."""


def event(day: date, kind: str, landed: date | None = None, **values: Any) -> dict[str, Any]:
    """One row of raw.events; its id is a digest of what it says, so that order does not name it."""
    said = f"{day}{kind}{landed}{sorted(values.items())}"
    row = {
        "event_date": day, "landing_date": landed or day, "event_type": kind, "occurred_at": _noon(day),
        "event_id": hashlib.sha256(said.encode()).hexdigest()[:12], "file": "f", "line": 1, **values,
    }  # fmt: skip
    if "unit_price" in row:
        row["unit_price"] = Decimal(str(row["unit_price"]))
    return row


def product(landed: date, item: str, **values: Any) -> dict[str, Any]:
    price = values.pop("price", None)
    money = {} if price is None else {"price": Decimal(str(price))}
    return {"landing_date": landed, "item_id": item, "file": "f", "line": 1, **values, **money}


def load(settings: Settings, events: list[dict[str, Any]], products: list[dict[str, Any]] | None = None) -> None:
    """Replace the event dates of `events`, mark them pending; replace all products where given."""
    with open_warehouse(settings) as connection, transaction(connection):
        for day in sorted({row["event_date"] for row in events}):
            clear(connection, day)
        insert(connection, RAW_TABLES["events"], rows(RAW_TABLES["events"], events))
        if products is not None:
            connection.execute("delete from raw.products")
            insert(connection, RAW_TABLES["products"], rows(RAW_TABLES["products"], products))


def clear(connection: Any, day: date) -> None:
    """Take a day's events away and mark it pending, as the loader does before it inserts."""
    connection.execute("delete from raw.events where event_date = ?", [day])
    connection.execute(f"delete from {OPS_PENDING_DAYS.name} where {EVENT_DATE} = ?", [day])
    connection.execute(f"insert into {OPS_PENDING_DAYS.name} ({EVENT_DATE}) values (?)", [day])


def rows(table: Table, given: list[dict[str, Any]]) -> pa.Table:
    """Arrow rows with every column of a raw table, nulls where `given` says nothing."""
    lake = ENTITIES[table.name.removeprefix("raw.")].lake_schema()
    fields = [
        pa.field(n, pa.string() if pa.types.is_map(lake.field(n).type) else lake.field(n).type) for n in table.names
    ]
    return pa.Table.from_pylist([{n: row.get(n) for n in table.names} for row in given], schema=pa.schema(fields))


def query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query on what dbt built: its marts are in `built` where publishing comes afterwards."""
    if settings.postgres:
        sql = sql.replace("marts.", "built.").replace("'marts'", "'built'")
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def hashes(
    settings: Settings, schemas: tuple[str, ...] = ("intermediate", "features", "marts", "built")
) -> dict[str, str]:
    """SHA-256 of every table that dbt made: its rows as text, in order of their text."""
    found = {}
    with open_warehouse(settings, read_only=True) as connection:
        for name in columns_of(connection, *schemas):
            lines = connection.execute(f"select cast(t as text) as line from {name} as t order by line").fetchall()
            found[name] = hashlib.sha256("\n".join(line for (line,) in lines).encode()).hexdigest()
    return found


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
