"""The outbox: how steps that do not open the warehouse still leave their rows in `ops`.

`record` writes one small file, atomically; `writing` opens the warehouse, takes every waiting file in, inside the
caller's transaction, and removes the files only after the commit. Rows are upserts by key, so a file taken in twice
(killed between commit and removal) changes nothing.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pipelines.contracts import TABLES, Table
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.files import write_atomic
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, open_warehouse, transaction, upsert


def record(
    settings: Settings,
    table: Table,
    rows: Sequence[dict[str, Any]],
    name: str,
    replace: Sequence[dict[str, Any]] = (),
) -> None:
    """Leave rows of an ops table in the outbox. `name` says who wrote them; a partial row updates just its columns.

    `replace`: column values whose old rows go first, for sets of rows that a rerun may make smaller.
    """
    if not rows and not replace:
        return
    unknown_names = {key for row in replace for key in row} - set(table.names)
    if unknown_names:
        raise ValueError(f"{table.name} has no columns {sorted(unknown_names)}")
    for row in rows:
        unknown = set(row) - set(table.names)
        if unknown or not set(table.key) <= set(row):
            raise ValueError(f"{table.name}: unknown columns {sorted(unknown)} or missing key {table.key} in {row}")
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    path = _outbox(settings) / f"{time.time_ns():020d}-{os.getpid()}-{table.name}-{safe}.json"
    write_atomic(
        path, json.dumps({"table": table.name, "replace": list(replace), "rows": list(rows)}, default=_iso).encode()
    )


def _outbox(settings: Settings) -> Path:
    return settings.run / "outbox"


def _iso(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"cannot keep a {type(value).__name__} in the outbox")


def waiting(settings: Settings) -> list[Path]:
    """Outbox files not yet in the warehouse, oldest first."""
    return sorted(_outbox(settings).glob("*.json"))


@contextlib.contextmanager
def writing(settings: Settings) -> Iterator[Warehouse]:
    """The warehouse in one transaction, waiting ops rows included: all of it is committed, or none."""
    connection = open_warehouse(settings)
    try:
        with transaction(connection):
            taken = waiting(settings)
            for path in taken:
                _take_in(connection, path)
            yield connection
            fault_point("warehouse.before_commit")
        fault_point("warehouse.committed")
        for path in taken:
            path.unlink(missing_ok=True)
    finally:
        connection.close()


def _take_in(connection: Warehouse, path: Path) -> None:
    try:
        entry = json.loads(path.read_text())
        table = TABLES[entry["table"]]
    except (ValueError, KeyError) as error:
        raise NightmarketError(f"the outbox file {path} cannot be read; move it away and run again") from error
    for values in entry["replace"]:
        where = " and ".join(f'"{name}" = ?' for name in values)
        connection.execute(f"delete from {table.name} where {where}", list(values.values()))
    upsert(connection, table, entry["rows"])


def flush(settings: Settings) -> bool:
    """Take the outbox in now if the warehouse is free; used after a failure, so that `ops` says why at once."""
    if not waiting(settings):
        return True
    try:
        with writing(settings):
            return True
    except NightmarketError:
        return False
