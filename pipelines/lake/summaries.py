"""What each day of a table says in short, counted once: a night reads what changed, not all of history.

A summary lies in the home, a file a month, and names the digest of the files that each day was counted from. So it is
only ever a function of what is committed: a day whose files were replaced is counted again, and where a file is
missing, damaged, or made by other SQL, nothing but time is lost.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from pipelines.files import write_atomic
from pipelines.lake.tables import dataset_of, digests_of, table
from pipelines.settings import Settings

_COUNTED = b"nightmarket.counted"
_COUNTING = threading.Lock()
"""Two threads of a step may ask for the same month at once."""


@dataclass(frozen=True)
class Summary:
    """`select`: SQL over `rows`, those of some days of `entity`; its first column is the table's partition column.

    `texts` are the columns that come as dictionaries.
    """

    name: str
    entity: str
    select: str
    texts: tuple[str, ...]


def summary(settings: Settings, asked: Summary, wanted: Callable[[date], bool]) -> pa.Table:
    """The rows of the wanted days, in the order of all columns. What was not counted yet is counted now."""
    found = table(settings, asked.entity)
    parts = []
    for month, days in _months(found, asked.entity, wanted).items():
        rows = _up_to_date(settings, asked, found, month, days)
        if not all(map(wanted, days)):
            rows = rows.filter(pc.is_in(rows[0], pa.array([day for day in days if wanted(day)], pa.date32())))
        parts.append(rows)
    return pa.concat_tables(parts).unify_dictionaries() if parts else _counted(settings, asked, found, [], None)


def bring_up_to_date(settings: Settings, asked: Summary) -> None:
    """Count what was not counted yet, so that nobody who asks later waits for it."""
    found = table(settings, asked.entity)
    for month, days in _months(found, asked.entity, lambda _: True).items():
        if _said(_place(settings, asked, month)) != _saying(days):
            _up_to_date(settings, asked, found, month, days)


def _months(found: DeltaTable | None, entity: str, wanted: Callable[[date], bool]) -> dict[str, dict[date, str]]:
    """The digests of all days of every month with a wanted day."""
    digests = digests_of(found, entity)
    months: dict[str, dict[date, str]] = {f"{day:%Y-%m}": {} for day in sorted(digests) if wanted(day)}
    for day in sorted(digests):
        if (days := months.get(f"{day:%Y-%m}")) is not None:
            days[day] = digests[day]
    return months


def _up_to_date(
    settings: Settings, asked: Summary, found: DeltaTable | None, month: str, days: dict[date, str]
) -> pa.Table:
    """The rows of a month whose days have these digests in the version `found` of the table."""
    path = _place(settings, asked, month)
    with _COUNTING:
        said = _said(path)
        old = _read(path, asked) if said else None
        if old is not None and said == _saying(days):
            return old
        same = [day for day, digest in days.items() if old is not None and said.get(str(day)) == digest]
        kept = None if old is None else old.filter(pc.is_in(old[0], pa.array(same, pa.date32())))
        rows = _counted(settings, asked, found, [day for day in days if day not in same], kept)
        sink = pa.BufferOutputStream()
        told = rows.replace_schema_metadata({_COUNTED: json.dumps(_saying(days))})
        pq.write_table(told, sink, compression="zstd", write_page_checksum=True)
        write_atomic(path, sink.getvalue().to_pybytes())
        return rows


def _counted(
    settings: Settings, asked: Summary, found: DeltaTable | None, days: list[date], kept: pa.Table | None
) -> pa.Table:
    """The summary of these days and the rows that are `kept`, in the order of all columns."""
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("rows", dataset_of(settings, asked.entity, found, days))
        parts = [f"({asked.select})"]
        if kept is not None:
            connection.register("kept", _plain(kept, asked.texts))
            parts.append("(from kept)")
        rows = connection.execute(f"{' union all '.join(parts)} order by all").to_arrow_table()
    return _with_dictionaries(rows, asked.texts)


def _plain(rows: pa.Table, texts: tuple[str, ...]) -> pa.Table:
    """DuckDB would make a type of its own of each dictionary."""
    for name in texts:
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.string()))
    return rows


def _with_dictionaries(rows: pa.Table, texts: tuple[str, ...]) -> pa.Table:
    for name in texts:
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].dictionary_encode())
    return rows


def _place(settings: Settings, asked: Summary, month: str) -> Path:
    made_by = hashlib.sha256(asked.select.encode()).hexdigest()[:8]
    return settings.summaries / f"{asked.name}-{made_by}" / f"{month}.parquet"


def _saying(days: dict[date, str]) -> dict[str, str]:
    return {str(day): digest for day, digest in days.items()}


def _said(path: Path) -> dict[str, str]:
    """The digests of the days that a file was counted from; none where there is no file that can be read."""
    try:
        return dict(json.loads(pq.read_schema(path).metadata[_COUNTED]))
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return {}


def _read(path: Path, asked: Summary) -> pa.Table | None:
    try:
        file = pq.ParquetFile(path, read_dictionary=[*asked.texts], page_checksum_verification=True)
        return file.read().replace_schema_metadata(None)
    except (OSError, pa.ArrowException):
        return None
