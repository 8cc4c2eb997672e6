"""The DuckDB warehouse: one file, one writer, every write in a transaction.

Python owns the schemas `raw`, `scores` and `ops` (tables in `contracts.TABLES`); dbt owns the others.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from pipelines import contracts
from pipelines.contracts import TABLES, Table
from pipelines.errors import NightmarketError, Unavailable
from pipelines.settings import Settings


def open_warehouse(settings: Settings, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the file; schemas and tables exist afterwards. A lock held by another process is said in one line."""
    path = settings.warehouse
    path.parent.mkdir(parents=True, exist_ok=True)
    if read_only and not path.exists():
        raise NightmarketError(f"no warehouse yet at {path}; run `nightmarket history` first")
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit,
        "temp_directory": str(path.parent / "spill"),
        "threads": "2",
    }
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.IOException as error:
        text = str(error).splitlines()[0]
        if "lock" in text.lower():
            raise Unavailable(
                f"the warehouse {path} is open in another process; wait for it or stop it ({text})"
            ) from error
        raise NightmarketError(f"cannot open the warehouse {path}: {text}") from error
    connection.execute("set timezone = 'UTC'")
    if not read_only:
        ensure_tables(connection)
    return connection


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing; add columns that a newer contract has (nullable, at the end). Never drops."""
    for schema in contracts.SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for table in TABLES.values():
        columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns)
        connection.execute(f"create table if not exists {table.name} ({columns})")
    known: dict[str, set[str]] = {}
    for schema, name, column in connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns"
    ).fetchall():
        known.setdefault(f"{schema}.{name}", set()).add(column)
    for table in TABLES.values():
        for name, kind in table.columns:
            if name not in known[table.name]:
                connection.execute(f'alter table {table.name} add column "{name}" {kind}')


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing: commit at the end of the block, roll back on any exception."""
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")


def insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table | pa.RecordBatchReader) -> int:
    """Append Arrow rows, matched by column name. Returns the number of rows."""
    columns = ", ".join(f'"{name}"' for name in rows.schema.names)
    connection.register("incoming_rows", rows)
    try:
        result = connection.execute(f"insert into {table.name} ({columns}) select {columns} from incoming_rows")
        return int(result.fetchall()[0][0])
    finally:
        connection.unregister("incoming_rows")


def replace_partition(
    connection: duckdb.DuckDBPyConnection, table: Table, column: str, value: date, rows: pa.Table
) -> int:
    """Delete one partition and insert its new rows, even when there are none (a rerun may have become empty)."""
    if column not in table.names:
        raise ValueError(f"{table.name} has no column {column}")
    connection.execute(f'delete from {table.name} where "{column}" = ?', [value])
    return insert(connection, table, rows) if rows.num_rows else 0


def upsert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write a few rows by key: given columns are updated, a new key is inserted. Facts are replaced by partition."""
    for row in rows:
        names = [n for n in table.names if n in row]
        where = " and ".join(f'"{k}" = ?' for k in table.key)
        keys = [row[k] for k in table.key]
        found = connection.execute(f"select 1 from {table.name} where {where}", keys).fetchone()
        if found is None:
            columns = ", ".join(f'"{n}"' for n in names)
            marks = ", ".join("?" for _ in names)
            connection.execute(f"insert into {table.name} ({columns}) values ({marks})", [row[n] for n in names])
            continue
        values = [n for n in names if n not in table.key]
        if values:
            sets = ", ".join(f'"{n}" = ?' for n in values)
            connection.execute(f"update {table.name} set {sets} where {where}", [row[n] for n in values] + keys)
