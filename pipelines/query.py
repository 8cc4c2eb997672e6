"""`nightmarket query`: SQL on the published BI file only."""

from typing import Any

import duckdb

from pipelines.bi import open_bi
from pipelines.errors import NightmarketError
from pipelines.settings import Settings


def query(settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Column names, at most `limit` rows, and whether there were more."""
    with open_bi(settings.bi) as connection:
        try:
            result = connection.execute(sql)
            names = [d[0] for d in result.description or []]
            rows = result.fetchmany(limit + 1)
        except duckdb.Error as error:
            raise NightmarketError(f"query failed: {' '.join(str(error).split())[:500]}") from error
    return names, rows[:limit], len(rows) > limit


def show(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*names)
    for row in rows[:50]:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
    if len(rows) > 50:
        print(f"… {len(rows) - 50} more rows in the JSON below")
