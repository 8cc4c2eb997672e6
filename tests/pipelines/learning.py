"""Commits small made-up shops to a real lake, for the tests of training and scoring."""

from collections import defaultdict
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import lake
from pipelines.fence import take
from pipelines.settings import Settings
from tests.models.shop import MONDAY, table


def fill_lake(settings: Settings, rows: list[tuple], landed: date | None = None) -> None:
    """Events (see `shop.table`) as rows of the lake, each landed on its own day, or all on `landed`."""
    events = []
    for line, row in enumerate(table(rows).to_pylist(), start=1):
        landing = {"landing_date": landed or row["event_date"], "file": f"f{landed}", "line": line}
        events.append({**row, **landing, "event_id": f"e{landed}-{line}", "is_duplicate": False, "quantity": 1})
    commit(settings, "events", events)


def fill_products(settings: Settings, products: list[dict[str, Any]], landed: date = MONDAY) -> None:
    _fill(settings, "products", products, landed)


def fill_users(settings: Settings, users: dict[str, dict[str, str]], landed: date = MONDAY) -> None:
    """Users by id with their attributes."""
    _fill(settings, "users", [{"user_id": u, "attributes": list(a.items())} for u, a in users.items()], landed)


def _fill(settings: Settings, name: str, rows: list[dict[str, Any]], landed: date) -> None:
    extra = {"landing_date": landed, "file": name, "is_duplicate": False}
    commit(settings, name, [{**row, **extra, "line": n} for n, row in enumerate(rows, start=1)])


def commit(settings: Settings, name: str, rows: list[dict[str, Any]]) -> None:
    """Add rows to the partitions they belong to, in one commit."""
    column, schema = lake.partition_column(name), lake.schema_of(name)
    by_day: dict[date, list] = defaultdict(list)
    for row in rows:
        by_day[row[column]].append(row)
    before = lake.dataset(settings, name, list(by_day)).to_table().to_pylist()
    for row in before:
        by_day[row[column]].append(row)
    attempt = take(settings, "publish-lake", name)
    with TemporaryDirectory() as folder:
        staged = Path(folder) / attempt.id / name  # the folder of the attempt names the files of the lake
        for day, members in by_day.items():
            target = staged / f"{column}={day}"
            target.mkdir(parents=True)
            part = pa.Table.from_pylist(members, schema=schema).drop_columns([column])
            pq.write_table(part, target / "part.parquet")
        base = {str(d): digest for d, digest in lake.digests(settings, name).items()}
        lake.commit(settings, name, staged, list(by_day), base, attempt)
