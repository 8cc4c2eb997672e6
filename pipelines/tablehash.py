"""Table hashes: what "equal" means in every law.

SHA-256 over the rows in order of their text (binary collation), leaving out the volatile columns of `contracts`.
"""

import hashlib

import duckdb
import pyarrow.dataset as ds

from pipelines import lake
from pipelines.contracts import ENTITIES, QUARANTINE, VOLATILE_COLUMNS
from pipelines.settings import Settings
from pipelines.warehouse import columns_of, open_warehouse


def relation_hash(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[str, int]:
    """Hash and row count of `relation`, streamed; the order of rows and columns does not matter.

    A decimal is hashed by its value: where databases differ in how many zeros they keep, equal money stays equal.
    """
    described = connection.execute(f"describe select * from {relation}").fetchall()
    kept = {name: kind for name, kind, *_ in sorted(described) if name not in VOLATILE_COLUMNS}
    values = [f'cast("{c}" as decimal(38, 6))' if k.startswith("DECIMAL") else f'"{c}"' for c, k in kept.items()]
    row = "concat_ws(chr(31), " + ", ".join(f"coalesce(cast({value} as text), chr(0))" for value in values) + ")"
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
    with open_warehouse(settings, read_only=True) as connection, _bench(settings) as bench:
        found = {}
        for name in columns_of(connection, *schemas):
            bench.register("rows", connection.reader(f"select * from {name}"))
            bench.execute("create or replace temp table hashed as select * from rows")
            found[name] = relation_hash(bench, "hashed")[0]
    return found


def _bench(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Rows of whichever database are hashed here, so that their text is that of one."""
    settings.run.mkdir(parents=True, exist_ok=True)
    spill = str(settings.run / "spill")
    bench = duckdb.connect(config={"memory_limit": settings.memory_limit, "threads": 2, "temp_directory": spill})
    bench.execute("set timezone = 'UTC'")
    return bench


def lake_hashes(settings: Settings) -> dict[str, str]:
    """Hash of every lake table's committed rows: {'lake.events': '…'}."""
    with _bench(settings) as connection:
        found = {}
        for name in (*ENTITIES, QUARANTINE):
            committed: ds.Dataset = lake.dataset(settings, name)
            connection.register("committed", committed)
            found[f"lake.{name}"] = relation_hash(connection, "committed")[0]
    return found
