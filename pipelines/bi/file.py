"""What BI reads, embedded: a file of its own, built apart, swapped in whole; read through a locked-down connection.

While the warehouse is being written no other process may open it, so BI gets a file of its own: the marts of one
night. `os.replace` makes the change; whoever has the old file open goes on reading the old night.
"""

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.files import fsync_folder
from pipelines.settings import Settings

# A row older than `bi_history_days` is left out of the BI file; the first of these columns that a mart has decides.
_DATED = ("scored_for", "event_date", "landing_date")

_LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    # read_only alone still lets SQL read and write files (tried); the last line forbids turning the others back on.
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}


def open_bi(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a BI file for reading: no writes, no files, no network, no settings."""
    if not path.exists():
        raise NightmarketError(f"nothing is published yet at {path}; run `nightmarket history` or `night` first")
    try:
        return duckdb.connect(str(path), read_only=True, config=_LOCKED_DOWN)
    except duckdb.Error as error:
        raise NightmarketError(f"cannot open {path}: {str(error).splitlines()[0]}") from error


def place(settings: Settings) -> str:
    """Where BI finds the marts."""
    return str(settings.bi)


def publish(settings: Settings, night: date, attempt: Attempt) -> dict[str, int]:
    """Show BI the marts as they are built now; returns the rows of each."""
    private, rows = build(settings, night, attempt)
    swap(settings, private, night, attempt)
    return rows


def build(settings: Settings, night: date, attempt: Attempt) -> tuple[Path, dict[str, int]]:
    """Copy the marts into a private file and make it durable. Returns its path and the rows of each mart."""
    nights = settings.bi.parent / "nights"
    nights.mkdir(parents=True, exist_ok=True)
    private = nights / f".{attempt.id}.duckdb"
    for leftover in nights.glob(f".{attempt.name}-*.duckdb*"):  # of older attempts: dead, or superseded by this one
        if int(leftover.name.split(".duckdb")[0].rpartition("-")[2]) <= attempt.token:
            leftover.unlink()
    rows = _copy_marts(settings, private, night - timedelta(settings.bi_history_days))
    if Path(f"{private}.wal").exists():
        raise NightmarketError(f"{private} still has a write-ahead log after its checkpoint; nothing was published")
    handle = os.open(private, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    private.chmod(0o444)
    with open_bi(private) as reader:
        for name, expected in rows.items():
            found = reader.execute(f'select count(*) from marts."{name}"').fetchall()[0][0]
            if found != expected:
                raise NightmarketError(f"marts.{name} has {found} rows in the BI file, {expected} in the warehouse")
    return private, rows


def _copy_marts(settings: Settings, private: Path, oldest: date) -> dict[str, int]:
    rows: dict[str, int] = {}
    with duckdb.connect(str(private), config={"memory_limit": settings.memory_limit, "threads": "2"}) as connection:
        source = str(settings.warehouse).replace("'", "''")
        connection.execute(f"attach '{source}' as warehouse (read_only)")
        connection.execute("create schema marts")
        for name, columns in _marts(connection).items():
            dated = next((c for c in _DATED if c in columns), None)
            kept = "" if dated is None else f"where \"{dated}\" > date '{oldest}'"
            inserted = connection.execute(
                f'create table marts."{name}" as select * from warehouse.marts."{name}" {kept} order by all'
            ).fetchall()
            rows[name] = int(inserted[0][0])
        connection.execute("detach warehouse")
        connection.execute("checkpoint")
    return rows


def _marts(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, column in connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = 'warehouse'"
        " and schema_name = 'marts' order by table_name, column_index"
    ).fetchall():
        found.setdefault(name, []).append(column)
    if not found:
        raise NightmarketError("the warehouse has no marts; run `nightmarket features` first")
    return found


def swap(settings: Settings, private: Path, night: date, attempt: Attempt) -> Path:
    """Make `private` the night BI sees, in one rename; keep it for `rollback`. Refused for a superseded attempt."""
    kept = private.with_name(f"{night}.duckdb")
    fault_point("publish.before_guard")
    with guard(settings, attempt):
        fault_point("publish.guarded")
        private.replace(kept)
        _point_bi_at(settings, kept)
        fault_point("publish.swapped")
        for old in published(settings)[: -settings.keep_nights]:
            (kept.parent / f"{old}.duckdb").unlink()
    return settings.bi


def _point_bi_at(settings: Settings, kept: Path) -> None:
    link = settings.bi.with_name(f".{settings.bi.name}.{os.getpid()}")
    link.unlink(missing_ok=True)
    os.link(kept, link)
    link.replace(settings.bi)
    fsync_folder(settings.bi.parent)
    fsync_folder(kept.parent)


def published(settings: Settings) -> list[date]:
    """Nights whose BI file is kept, oldest first."""
    return sorted(date.fromisoformat(p.stem) for p in (settings.bi.parent / "nights").glob("[0-9]*.duckdb"))


def current_night(settings: Settings) -> date | None:
    """The night BI sees now."""
    for night in published(settings):
        kept = settings.bi.parent / "nights" / f"{night}.duckdb"
        if settings.bi.exists() and kept.samefile(settings.bi):
            return night
    return None


def show_again(settings: Settings, night: date, attempt: Attempt) -> None:
    """The kept file of a published night, byte for byte, in one rename."""
    with guard(settings, attempt):
        _point_bi_at(settings, settings.bi.parent / "nights" / f"{night}.duckdb")


def ask(settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and at most `limit` rows of a reader's query."""
    with open_bi(settings.bi) as connection:
        try:
            result = connection.execute(sql)
            return [d[0] for d in result.description or []], result.fetchmany(limit)
        except duckdb.Error as error:
            raise NightmarketError(f"query failed: {' '.join(str(error).split())[:500]}") from error
