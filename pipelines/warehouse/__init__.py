"""The warehouse: a DuckDB file on one machine, or PostgreSQL that a team shares. Every write is in a transaction.

Python owns the schemas `raw`, `scores` and `ops` (tables in `contracts.TABLES`); dbt owns the others. What is asked of
either is SQL that both understand, with `?` where a value goes and nowhere else.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from pipelines.contracts import Table
from pipelines.settings import Settings


class Rows(Protocol):
    """What a statement gave."""

    def fetchall(self) -> list[tuple[Any, ...]]: ...
    def fetchone(self) -> tuple[Any, ...] | None: ...


class Warehouse(Protocol):
    """An open connection. An error is one line: Unavailable where the same call may succeed later."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows: ...
    def reader(self, sql: str, values: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """The answer as Arrow, streamed. Raises NoSuchTable where a table of the query does not exist."""
        ...

    def insert(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        """Append Arrow rows, matched by column name. Returns the number of rows."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: commit at the end of the block, roll back on any exception."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_warehouse(settings: Settings, read_only: bool = False) -> Warehouse:
    """Open it; schemas and tables exist afterwards. Raises Unavailable where it is locked or cannot be reached."""
    if settings.postgres:
        from pipelines.warehouse import postgres

        return postgres.open_warehouse(settings, read_only)
    from pipelines.warehouse import embedded

    return embedded.open_warehouse(settings, read_only)


def exists(settings: Settings) -> bool:
    """Whether there is a warehouse to read from yet."""
    return bool(settings.postgres) or settings.warehouse.exists()


def build_alone(settings: Settings) -> AbstractContextManager[None]:
    """For whoever builds in it from another process: raise Unavailable where somebody else does so already."""
    if settings.postgres:
        from pipelines.warehouse import postgres

        return postgres.build_alone(settings)
    return contextlib.nullcontext()  # DuckDB itself lets just one process in


@contextlib.contextmanager
def transaction(connection: Warehouse) -> Iterator[None]:
    """All or nothing: commit at the end of the block, roll back on any exception."""
    with connection.transaction():
        yield


def insert(connection: Warehouse, table: Table, rows: pa.Table | pa.RecordBatchReader) -> int:
    """Append Arrow rows, matched by column name. Returns the number of rows."""
    return connection.insert(table.name, rows)


def replace_partition(connection: Warehouse, table: Table, column: str, value: date, rows: pa.Table) -> int:
    """Delete one partition and insert its new rows, even when there are none (a rerun may have become empty)."""
    if column not in table.names:
        raise ValueError(f"{table.name} has no column {column}")
    connection.execute(f'delete from {table.name} where "{column}" = ?', [value])
    return insert(connection, table, rows) if rows.num_rows else 0


def upsert(connection: Warehouse, table: Table, rows: Sequence[dict[str, Any]]) -> None:
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


def columns_of(connection: Warehouse, *schemas: str) -> dict[str, list[str]]:
    """Tables and views of these schemas with their columns in order: {'marts.daily_kpis': ['as_of', …]}."""
    marks = ", ".join("?" for _ in schemas)
    rows = connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns"
        f" where table_schema in ({marks}) order by table_schema, table_name, ordinal_position",
        list(schemas),
    ).fetchall()
    found: dict[str, list[str]] = {}
    for schema, name, column in rows:
        found.setdefault(f"{schema}.{name}", []).append(column)
    return found


def missing_columns(connection: Warehouse, tables: dict[str, Table], schemas: Sequence[str]) -> list[str]:
    """The statements that make what a contract has and the warehouse has not; new columns are nullable, at the end.

    Nothing is ever dropped, and no row is rewritten.
    """
    known = columns_of(connection, *schemas)
    statements = []
    for table in tables.values():
        if table.name not in known:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns)
            statements.append(f"create table if not exists {table.name} ({columns})")
            continue
        for name, kind in table.columns:
            if name not in known[table.name]:
                statements.append(f'alter table {table.name} add column "{name}" {kind}')
    return statements
