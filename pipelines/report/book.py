"""What the report asks of the warehouse. A table or column that is not there yet has no rows, and is null."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.warehouse import Warehouse, columns_of

Row = dict[str, Any]
SCHEMAS = ("raw", "scores", "features", "marts", "ops")


class Book:
    """The warehouse as of now, opened for the report of one night."""

    def __init__(self, connection: Warehouse, night: date) -> None:
        self.night = night
        self._connection = connection
        self._tables = columns_of(connection, *SCHEMAS)

    def has(self, *tables: str) -> bool:
        return all(table in self._tables for table in tables)

    def rows(self, table: str, columns: Sequence[str], rest: str = "", values: Sequence[Any] = ()) -> list[Row]:
        """`select columns from table rest` as one mapping a row; times are in UTC."""
        if not self.has(table):
            return []
        there = self._tables[table]
        chosen = ", ".join(f'"{c}"' if c in there else f'null as "{c}"' for c in columns)
        return self.ask((table,), columns, f"select {chosen} from {table} {rest}", values)

    def ask(self, tables: Sequence[str], names: Sequence[str], sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """A query of these tables; its columns come under these names. Nothing where one of the tables is missing."""
        if not self.has(*tables):
            return []
        found = self._connection.execute(sql, list(values)).fetchall()
        return [dict(zip(names, map(_in_utc, row), strict=True)) for row in found]

    def days_back(self, days: int) -> date:
        return self.night - timedelta(days)


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
