"""Staged files as preprocess leaves them, for the tests of this folder."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import lake
from pipelines.contracts import EVENTS
from pipelines.settings import Settings

D1, D2 = date(2024, 5, 1), date(2024, 5, 2)


def event(event_id: str, day: date, landed: date | None = None, duplicate: bool = False, line: int = 1) -> dict:
    return {
        "event_id": event_id, "event_type": "purchase", "user_id": "u1", "item_id": "i1", "quantity": 1,
        "event_date": day, "landing_date": landed or day, "file": f"{landed or day}.jsonl", "line": line,
        "is_duplicate": duplicate,
    }  # fmt: skip


def stage(folder: Path, day: date, rows: list[dict]) -> Path:
    target = folder / f"event_date={day}"
    target.mkdir(parents=True, exist_ok=True)
    schema = EVENTS.lake_schema()
    part = pa.Table.from_pylist(rows, schema=schema).drop_columns(["event_date"])
    pq.write_table(part, target / "part-0.parquet")
    return folder


def base(settings: Settings) -> dict[str, str]:
    return {str(day): digest for day, digest in lake.digests(settings, "events").items()}


def committed_ids(settings: Settings, days: list[date] | None = None) -> list[str]:
    return sorted(lake.dataset(settings, "events", days).to_table(columns=["event_id"])["event_id"].to_pylist())
