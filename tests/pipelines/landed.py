"""Puts bytes into landing and reads back what intake framed of them."""

import datetime as dt
from pathlib import Path

import pyarrow.parquet as pq

from pipelines import intake
from pipelines.contracts import USERS, Entity
from pipelines.settings import Settings, night

DAY = dt.date(2026, 11, 1)
GOOD = b'{"user_id":"u1"}\n{"user_id":"u2"}\n{"user_id":"u3"}\n'


def deliver(settings: Settings, name: str, data: bytes, entity: Entity = USERS) -> Path:
    folder = settings.landing / settings.shop / entity.name / f"date={DAY}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def framed(settings: Settings, entity: Entity = USERS) -> tuple[intake.Framed, list[dict]]:
    out = settings.staging / "intake"
    result = intake.frame(settings, night(DAY), entity, out)
    rows = [row for path in (*result.lines, *result.columns) for row in pq.read_table(path).to_pylist()]
    return result, rows


def one(settings: Settings, name: str, data: bytes) -> tuple[intake.FramedFile, list[dict]]:
    """Frame a single file: its count, and its rows in the order of their lines."""
    deliver(settings, name, data)
    result, rows = framed(settings)
    assert len(result.files) == 1
    assert result.files[0].rows_in == len(rows)
    return result.files[0], sorted(rows, key=lambda row: row["line"])


def values(rows: list[dict], column: str = "user_id") -> list[str | None]:
    return [row[column] for row in rows]
