"""What is committed: tables, their files by partition, digests, rows as an Arrow dataset."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs
from deltalake import DeltaTable

from pipelines.contracts import ENTITIES, EVENTS, LANDING_DATE, QUARANTINE, QUARANTINE_SCHEMA
from pipelines.lake.store import location, reached
from pipelines.settings import Settings


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table: the date of its partition, its bytes and rows."""

    day: date
    size: int
    rows: int


def partition_column(name: str) -> str:
    return LANDING_DATE if name == QUARANTINE else ENTITIES[name].partition


def schema_of(name: str) -> pa.Schema:
    return QUARANTINE_SCHEMA if name == QUARANTINE else ENTITIES[name].lake_schema()


def table(settings: Settings, name: str) -> DeltaTable | None:
    """The committed table, or None before its first commit."""
    place = location(settings, name)
    with reached(settings):
        return DeltaTable(place) if DeltaTable.is_deltatable(place) else None


def version(settings: Settings) -> int:
    """Version of the events table: -1 before the first commit."""
    return version_of(table(settings, EVENTS.name))


def version_of(found: DeltaTable | None) -> int:
    return -1 if found is None else found.version()


def files_of(found: DeltaTable | None, name: str) -> dict[str, DataFile]:
    """The files of one version of a table, by path. What is asked here was read when the table was opened."""
    if found is None:
        return {}
    day = f"partition.{partition_column(name)}"
    actions = pa.table(found.get_add_actions(flatten=True))  # statistics of every column are in it too
    told = (actions[name].to_pylist() for name in ("path", day, "size_bytes", "num_records"))
    return {unquote(path): DataFile(*file) for path, *file in zip(*told, strict=True)}


def active_files(settings: Settings, name: str) -> dict[date, dict[str, int]]:
    """Committed files by partition date: {date: {path relative to the table: rows}}."""
    return _by_day(table(settings, name), name)


def _by_day(found: DeltaTable | None, name: str) -> dict[date, dict[str, int]]:
    files: dict[date, dict[str, int]] = {}
    for path, file in files_of(found, name).items():
        files.setdefault(file.day, {})[path] = file.rows
    return files


def digests(settings: Settings, name: str, dates: Iterable[date] | None = None) -> dict[date, str]:
    """A digest of the committed file names of each partition; it changes with every replacement."""
    found = digests_of(table(settings, name), name)
    return found if dates is None else {day: found[day] for day in dates if day in found}


def digests_of(found: DeltaTable | None, name: str) -> dict[date, str]:
    """The digests of all partitions of one version of a table."""
    return {day: digest(files) for day, files in _by_day(found, name).items()}


def digest(paths: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(paths)).encode()).hexdigest()[:16]


def dataset(
    settings: Settings,
    name: str,
    dates: Iterable[date] | Callable[[date], bool] | None = None,
    dictionaries: Iterable[str] = (),
) -> ds.Dataset:
    """Committed rows as an Arrow dataset, pruned to partitions; empty where nothing is committed.

    `dates`: the partitions, or what says of each whether it is wanted. Columns named in `dictionaries` come as their
    files hold them: each value once, and numbers.
    """
    return dataset_of(settings, name, table(settings, name), dates, dictionaries)


def dataset_of(
    settings: Settings,
    name: str,
    found: DeltaTable | None,
    dates: Iterable[date] | Callable[[date], bool] | None = None,
    dictionaries: Iterable[str] = (),
) -> ds.Dataset:
    """The same of one version of a table."""
    empty = ds.dataset(pa.Table.from_pylist([], schema=schema_of(name)))
    if found is None:
        return empty
    filters = None
    if dates is not None:
        held = {file.day for file in files_of(found, name).values()}
        wanted = sorted(filter(dates, held) if callable(dates) else held.intersection(dates))
        if not wanted:
            return empty
        filters = [(partition_column(name), "in", [str(d) for d in wanted])]
    return found.to_pyarrow_dataset(
        file_pruning_predicate=filters,
        schema=schema_of(name),
        filesystem=_folder(settings, name),
        parquet_read_options=ds.ParquetReadOptions(dictionary_columns=[*dictionaries]),
    )


def _folder(settings: Settings, name: str) -> fs.FileSystem | None:
    """On a disk, Arrow's own way to the files: delta-rs hands every read through Python."""
    return None if settings.lake_url else fs.SubTreeFileSystem(location(settings, name), fs.LocalFileSystem())


def vacuum(settings: Settings, dry_run: bool = True) -> dict[str, int]:
    """Delete files that no version of the last `vacuum_days` days needs. Returns the number of files per table."""
    removed = {}
    for name in (*ENTITIES, QUARANTINE):
        found = table(settings, name)
        if found is not None:
            hours = settings.vacuum_days * 24
            with reached(settings):
                removed[name] = len(found.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False))
    return removed
