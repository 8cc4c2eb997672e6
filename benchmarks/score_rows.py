"""A night's scores into PostgreSQL: rows a second from an Arrow table to committed rows with a primary key.

    .venv/bin/python -m benchmarks.score_rows --rows 1000000

Starts a PostgreSQL of its own (the server of the tests, fsync on) and writes the same rows in turn as a night does, in
one transaction, and by COPY of CSV text; each several times, into the table with its key, emptied in between. The
time that the driver takes to turn Arrow into what it sends counts in both.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, replace_partition
from tests.postgres import Server

TOP_K, ITEMS = 20, 50_000
NIGHT = date(2026, 1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.score_rows", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    rows = scores(asked.rows)
    with tempfile.TemporaryDirectory(prefix="score-rows-") as folder:
        server = Server(Path(folder) / "server")
        server.folder.mkdir()
        os.environ["PGPASSFILE"] = str(server.pgpass)
        server.make()
        try:
            found = measure(Settings(home=Path(folder), postgres=server.conninfo), server, rows, asked.times)
        finally:
            server.stop()
    print(json.dumps({"benchmark": "score_rows", "rows": rows.num_rows, "bytes": rows.nbytes, **found}), flush=True)


def measure(settings: Settings, server: Server, rows: pa.Table, times: int) -> dict[str, object]:
    """Rows a second of both ways, measured in turn; the median, and all of them."""

    def as_a_night() -> None:
        with open_warehouse(settings) as connection, connection.transaction():
            replace_partition(connection, SCORES_RECOMMENDATIONS, "scored_for", NIGHT, rows)

    def copy_of_text() -> None:
        with server.connect("loader") as connection, connection.transaction():
            connection.execute("delete from scores.recommendations where scored_for = %s", [NIGHT])
            statement = f"copy scores.recommendations ({', '.join(rows.schema.names)}) from stdin (format csv)"
            with connection.cursor().copy(statement.encode()) as copy:
                for batch in rows.to_batches(65_536):
                    text = pa.BufferOutputStream()
                    pyarrow.csv.write_csv(batch, text, pyarrow.csv.WriteOptions(include_header=False))
                    copy.write(memoryview(text.getvalue()))

    as_a_night()  # makes the tables, and warms up
    ways: dict[str, Callable[[], None]] = {"night": as_a_night, "copy_csv": copy_of_text}
    speed: dict[str, list[int]] = {name: [] for name in ways}
    for _ in range(times):
        for name, write in ways.items():
            _empty(server)
            started = time.monotonic()
            write()
            speed[name].append(round(rows.num_rows / (time.monotonic() - started)))
            print(f"{name:<10} {speed[name][-1]:>9,} rows/s", flush=True)
    median = {name: round(statistics.median(found)) for name, found in speed.items()}
    return {
        "rows_per_second": median, "all": speed, "ratio": round(median["night"] / median["copy_csv"], 2),
    }  # fmt: skip


def _empty(server: Server) -> None:
    with server.connect("superuser") as connection:
        connection.execute("truncate scores.recommendations")
        connection.execute("checkpoint")


def scores(count: int) -> pa.Table:
    """Lists of TOP_K rows a user, every column of the contract filled."""
    place = np.arange(count)
    item, seed = place * 7919 % ITEMS, np.random.default_rng(1)
    text = {
        "model_name": "blend",
        "model_version": "211ca18eec3b",
        "run_id": "score-2026-01-01-1",
        "reason_type": "bought_with",
    }
    columns = {
        "scored_for": pa.repeat(pa.scalar(NIGHT), count),
        "user_id": pa.array([f"user{n // TOP_K:07d}" for n in place]),
        "rank": pa.array((place % TOP_K + 1).astype(np.int32)),
        "item_id": pa.array([f"item{n:06d}" for n in item]),
        "score": pa.array(seed.random(count)),
        "reason_item_id": pa.array([f"item{n // 2:06d}" for n in item]),
        "reason": pa.array([f"often bought with Product number {n // 2:06d}" for n in item]),
        "scored_at": pa.repeat(pa.scalar(datetime(2026, 1, 2, tzinfo=UTC), pa.timestamp("us", tz="UTC")), count),
        **{name: pa.repeat(value, count) for name, value in text.items()},
    }
    return pa.table({name: columns[name] for name in SCORES_RECOMMENDATIONS.names})


if __name__ == "__main__":
    main()
