"""Table hashes: what "equal" means in every law.

SHA-256 over the rows in order of their text (binary collation), leaving out the volatile columns of `contracts`.
"""

import hashlib

import duckdb
import pyarrow.dataset as ds

from pipelines import lake
from pipelines.contracts import ENTITIES, QUARANTINE, VOLATILE_COLUMNS
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse


def relation_hash(connection: duckdb.DuckDBPyConnection, relation: str, columns: list[str]) -> tuple[str, int]:
    """Hash and row count of `relation` over `columns`, streamed; the order of rows and columns does not matter."""
    kept = sorted(c for c in columns if c not in VOLATILE_COLUMNS)
    row = "concat_ws(chr(31), " + ", ".join(f'coalesce(cast("{c}" as text), chr(0))' for c in kept) + ")"
    result = connection.execute(f"select {row} as line from {relation} order by line")
    digest, rows = hashlib.sha256(", ".join(kept).encode()), 0
    while chunk := result.fetchmany(65_536):
        rows += len(chunk)
        digest.update("\n".join(line for (line,) in chunk).encode() + b"\n")
    return digest.hexdigest(), rows


def warehouse_hashes(
    settings: Settings, schemas: tuple[str, ...] = ("raw", "features", "scores", "marts")
) -> dict[str, str]:
    """Hash of every table of these warehouse schemas: {'marts.daily_kpis': '…'}. `ops` has its own comparison."""
    with open_warehouse(settings, read_only=True) as connection:
        columns: dict[str, list[str]] = {}
        for schema, name, column in connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
            " where list_contains(?, table_schema) order by all",
            [list(schemas)],
        ).fetchall():
            columns.setdefault(f"{schema}.{name}", []).append(column)
        return {name: relation_hash(connection, name, found)[0] for name, found in columns.items()}


def lake_hashes(settings: Settings) -> dict[str, str]:
    """Hash of every lake table's committed rows: {'lake.events': '…'}."""
    with duckdb.connect(config={"memory_limit": settings.memory_limit, "threads": 2}) as connection:
        connection.execute("set timezone = 'UTC'")
        found = {}
        for name in (*ENTITIES, QUARANTINE):
            committed: ds.Dataset = lake.dataset(settings, name)
            connection.register("committed", committed)
            found[f"lake.{name}"] = relation_hash(connection, "committed", committed.schema.names)[0]
    return found
