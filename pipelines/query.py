"""`nightmarket query`: SQL on what BI sees, with no more rights than BI has."""

import sys
from typing import Any

from pipelines import bi
from pipelines.settings import Settings


def query(settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Column names, at most `limit` rows, and whether there were more."""
    names, rows = bi.ask(settings, sql, limit + 1)
    return names, rows[:limit], len(rows) > limit


def show(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print rows as a table, or one value a line where the terminal is too narrow for the columns side by side."""
    from rich.console import Console
    from rich.table import Table

    shown = [["" if value is None else str(value) for value in row] for row in rows[:50]]
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    widths = [max(len(name), *(len(row[n]) for row in shown)) if shown else len(name) for n, name in enumerate(names)]
    if sum(widths) + 3 * len(names) + 1 <= console.width:
        table = Table(*names)
        for row in shown:
            table.add_row(*row)
        console.print(table, markup=False)
    else:
        label = max(map(len, names))
        for number, row in enumerate(shown, 1):
            console.print(f"--- row {number}", markup=False)
            for name, value in zip(names, row, strict=True):
                console.print(f"{name:<{label}}  {value}", markup=False, highlight=False)
    if len(rows) > 50:
        console.print(f"… {len(rows) - 50} more rows in the JSON below")
