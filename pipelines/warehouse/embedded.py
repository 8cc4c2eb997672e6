"""The DuckDB warehouse: one file, one writer."""

import contextlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from pipelines import contracts
from pipelines.errors import NightmarketError, NoSuchTable, Unavailable
from pipelines.settings import Settings
from pipelines.warehouse import Rows, missing_columns


class Embedded:
    """An open DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.duckdb = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        return self.duckdb.execute(sql, list(values))

    def reader(self, sql: str, values: Sequence[Any] = ()) -> pa.RecordBatchReader:
        try:
            return self.duckdb.execute(sql, list(values)).to_arrow_reader(131_072)
        except duckdb.CatalogException as error:
            raise NoSuchTable(str(error).splitlines()[0]) from error

    def insert(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        columns = ", ".join(f'"{name}"' for name in rows.schema.names)
        self.duckdb.register("incoming_rows", rows)
        try:
            result = self.duckdb.execute(f"insert into {table} ({columns}) select {columns} from incoming_rows")
            return int(result.fetchall()[0][0])
        finally:
            self.duckdb.unregister("incoming_rows")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.duckdb.execute("begin transaction")
        try:
            yield
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                self.duckdb.execute("rollback")
            raise
        self.duckdb.execute("commit")

    def close(self) -> None:
        self.duckdb.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_warehouse(settings: Settings, read_only: bool = False) -> Embedded:
    """Open the file. A lock held by another process is said in one line."""
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
    opened = Embedded(connection)
    if not read_only:
        for schema in contracts.SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        for statement in missing_columns(opened, contracts.TABLES, contracts.SCHEMAS):
            connection.execute(statement)
    return opened
