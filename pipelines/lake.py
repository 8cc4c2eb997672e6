"""The lake: Delta tables on delta-rs. One commit replaces the partitions a batch touches; nothing else is moved.

`events` is partitioned by event_date; products, users, campaigns, coupons and quarantine by landing_date.
A version number identifies training data until `vacuum`.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from pipelines.contracts import EARLY_DAYS, ENTITIES, EVENT_DATE, EVENTS, LANDING_DATE, QUARANTINE, QUARANTINE_SCHEMA
from pipelines.errors import NightmarketError, Unavailable
from pipelines.faults import fault_point
from pipelines.fence import Attempt
from pipelines.settings import Batch, Settings


def partition_column(name: str) -> str:
    return LANDING_DATE if name == QUARANTINE else ENTITIES[name].partition


def schema_of(name: str) -> pa.Schema:
    return QUARANTINE_SCHEMA if name == QUARANTINE else ENTITIES[name].lake_schema()


def table(settings: Settings, name: str) -> DeltaTable | None:
    """The committed table, or None before its first commit."""
    path = settings.lake / name
    return DeltaTable(path) if DeltaTable.is_deltatable(str(path)) else None


def version(settings: Settings) -> int:
    """Version of the events table: -1 before the first commit."""
    events = table(settings, EVENTS.name)
    return -1 if events is None else events.version()


def active_files(settings: Settings, name: str) -> dict[date, dict[str, int]]:
    """Committed files by partition date: {date: {path relative to the table: rows}}."""
    found = table(settings, name)
    if found is None:
        return {}
    actions = pa.table(found.get_add_actions(flatten=True)).to_pylist()
    files: dict[date, dict[str, int]] = {}
    for action in actions:
        day = action[f"partition.{partition_column(name)}"]
        files.setdefault(day, {})[unquote(action["path"])] = action["num_records"]
    return files


def digests(settings: Settings, name: str, dates: Iterable[date] | None = None) -> dict[date, str]:
    """A digest of the committed file names of each partition; it changes with every replacement."""
    files = active_files(settings, name)
    wanted = files if dates is None else [d for d in dates if d in files]
    return {d: hashlib.sha256("\n".join(sorted(files[d])).encode()).hexdigest()[:16] for d in wanted}


def dataset(settings: Settings, name: str, dates: Iterable[date] | None = None) -> ds.Dataset:
    """Committed rows as an Arrow dataset, pruned to the given partitions; empty where nothing is committed."""
    found = table(settings, name)
    empty = ds.dataset(pa.Table.from_pylist([], schema=schema_of(name)))
    if found is None:
        return empty
    filters = None
    if dates is not None:
        wanted = sorted(set(dates) & set(active_files(settings, name)))
        if not wanted:
            return empty
        filters = [(partition_column(name), "in", [str(d) for d in wanted])]
    return found.to_pyarrow_dataset(file_pruning_predicate=filters, schema=schema_of(name))


# ---- what preprocess asks ------------------------------------------------------------------------------------


def dates_of_landing(settings: Settings, entity: str, batch: Batch) -> set[date]:
    """Partitions that hold rows delivered in `batch`: a rerun must replace them even if it brings no row for them."""
    if partition_column(entity) == LANDING_DATE:
        return {d for d in active_files(settings, entity) if d in batch}
    window = _window(settings, batch)
    days = [d for d in active_files(settings, entity) if d in window]
    rows = dataset(settings, entity, days)
    delivered = (ds.field(LANDING_DATE) >= batch.first) & (ds.field(LANDING_DATE) <= batch.last)
    return set(rows.to_table(columns=[EVENT_DATE], filter=delivered)[EVENT_DATE].unique().to_pylist())


def _window(settings: Settings, batch: Batch) -> Batch:
    return Batch(batch.first - timedelta(settings.late_days), batch.last + timedelta(EARLY_DAYS))


def copy_partitions(settings: Settings, entity: str, dates: Iterable[date], out: Path, without: Batch) -> int:
    """Stream committed rows of these partitions, except those delivered in `without`, to plain Parquet in `out`.

    Every lake column is in the files, the partition column too. Returns the number of rows; writes no empty file.
    """
    other = (ds.field(LANDING_DATE) < without.first) | (ds.field(LANDING_DATE) > without.last)
    scanner = dataset(settings, entity, dates).scanner(filter=other, batch_size=131_072)
    rows, writer = 0, None
    try:
        for chunk in scanner.to_batches():
            if chunk.num_rows == 0:
                continue
            if writer is None:
                out.mkdir(parents=True, exist_ok=True)
                writer = pq.ParquetWriter(out / "existing.parquet", schema_of(entity))
            writer.write_batch(chunk.cast(schema_of(entity)))
            rows += chunk.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


# ---- commit --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What one commit to a table would make of it: files by path, with the date of their partition."""

    name: str
    wanted: dict[str, date]
    present: dict[str, date]


def commit(
    settings: Settings, name: str, staged: Path, dates: list[date], base: dict[str, str], attempt: Attempt
) -> dict[str, int]:
    """Replace the partitions `dates` of table `name` by the files staged for them, in one Delta commit.

    Call it inside `fence.guard`. Committing the same files twice changes nothing.
    """
    return apply(settings, plan(settings, name, staged, dates, base), attempt)


def plan(settings: Settings, name: str, staged: Path, dates: list[date], base: dict[str, str]) -> Change:
    """Place the staged files in the table's folder, where no reader sees them before `apply`.

    `staged` holds `<partition column>=YYYY-MM-DD/*.parquet`; a date without files becomes empty. `base` is the digest
    of each partition when the staged rows were made from it: if another commit has moved one since, this one is
    refused.
    """
    column = partition_column(name)
    now = digests(settings, name, dates)
    # Named after the staged attempt, not after this try at committing it: a rerun finds its own files again.
    targets = {d: _place(settings, name, staged / f"{column}={d}", staged.parent.name) for d in dates}
    active = active_files(settings, name)
    wanted = {path: d for d, paths in targets.items() for path in paths}
    present = {path: d for d in dates for path in active.get(d, {})}
    moved = [str(d) for d in dates if now.get(d, "") != base.get(str(d), "")]
    if moved and set(wanted) != set(present):  # equal: an earlier try has committed this very change
        raise NightmarketError(
            f"lake/{name} changed at {', '.join(moved[:3])} since this batch was preprocessed; run preprocess again"
        )
    return Change(name, wanted, present)


def apply(settings: Settings, change: Change, attempt: Attempt) -> dict[str, int]:
    """Commit a change that was planned inside the same `fence.guard`; one that is there already makes no version."""
    added, removed = set(change.wanted) - set(change.present), set(change.present) - set(change.wanted)
    if not added and not removed:
        return {"version": _version_of(settings, change.name), "added": 0, "removed": 0}
    fault_point("lake.placed")
    version = _write(settings, change, attempt)
    fault_point("lake.committed")
    return {"version": version, "added": len(added), "removed": len(removed)}


def _version_of(settings: Settings, name: str) -> int:
    found = table(settings, name)
    return -1 if found is None else found.version()


def _place(settings: Settings, name: str, folder: Path, attempt_id: str) -> list[str]:
    """Hard-link staged files into the table folder under names of their own; safe to repeat after a kill."""
    relative: list[str] = []
    for index, file in enumerate(sorted(folder.glob("*.parquet"))):
        if pq.read_metadata(file).num_rows == 0:
            continue
        target = settings.lake / name / folder.name / f"{attempt_id}-{index:05d}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            part = target.with_suffix(".part")
            part.unlink(missing_ok=True)
            try:
                os.link(file, part)
            except OSError:  # another file system
                shutil.copyfile(file, part)
            part.replace(target)
        relative.append(f"{folder.name}/{target.name}")
    return relative


def _write(settings: Settings, change: Change, attempt: Attempt) -> int:
    name, wanted, present = change.name, change.wanted, change.present
    column, schema = partition_column(name), schema_of(name)
    root = settings.lake / name
    found = table(settings, name)
    if found is None:
        found = DeltaTable.create(str(root), Schema.from_arrow(schema), partition_by=[column], mode="ignore")
    _add_new_columns(found, schema)
    actions: list[AddAction | RemoveAction] = [
        _add_action(root, path, column, day) for path, day in wanted.items() if path not in present
    ]
    now = int(time.time() * 1000)
    actions += [
        RemoveAction(path, True, now, (root / path).stat().st_size, {column: str(day)})
        for path, day in present.items()
        if path not in wanted
    ]
    properties = CommitProperties(
        custom_metadata={"attempt": attempt.id},
        max_commit_retries=0,
        app_transactions=[Transaction(attempt.key, attempt.token)],
    )
    try:
        found.create_write_transaction(
            actions, "append", Schema.from_arrow(schema), partition_by=[column], commit_properties=properties
        )
    except CommitFailedError as error:
        raise Unavailable(f"another process committed to lake/{name} at the same moment; run again") from error
    except DeltaError as error:
        raise NightmarketError(f"commit to lake/{name} failed: {str(error).splitlines()[0]}") from error
    return DeltaTable(root).version()


def _add_action(root: Path, path: str, column: str, day: date) -> AddAction:
    file = root / path
    info = file.stat()
    stats = json.dumps({"numRecords": pq.read_metadata(file).num_rows})
    return AddAction(path, info.st_size, {column: str(day)}, int(info.st_mtime * 1000), True, stats)


def _add_new_columns(found: DeltaTable, schema: pa.Schema) -> None:
    known = {field.name for field in found.schema().fields}
    fresh = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
    if fresh:
        found.alter.add_columns([Field(f.name, f.type, nullable=True) for f in fresh])


def recount(settings: Settings, dates: list[date]) -> list[dict[str, Any]]:
    """Originals and duplicates per delivered file, counted from committed rows.

    Covers every file with a row in the partitions `dates`, over all partitions that file can reach, so the numbers
    are totals of the file, not of the partitions.
    """
    if not dates:
        return []
    reach = timedelta(max(settings.late_days, EARLY_DAYS))
    days = [d for d in active_files(settings, EVENTS.name) if min(dates) - reach <= d <= max(dates) + reach]
    events = dataset(settings, EVENTS.name, days)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("events", events)
        rows = connection.execute(
            "select landing_date, file, count(*) filter (not is_duplicate), count(*) filter (is_duplicate)"
            " from events where (landing_date, file) in"
            "   (select (landing_date, file) from events where list_contains(?, event_date))"
            " group by all order by all",
            [dates],
        ).fetchall()
    return [
        {LANDING_DATE: r[0], "entity": EVENTS.name, "file": r[1], "rows_published": r[2], "rows_deduplicated": r[3]}
        for r in rows
    ]


# ---- what learning and scoring ask ---------------------------------------------------------------------------


def interactions(settings: Settings, as_of: date, days: int | None = None) -> pa.Table:
    """User–item events known at the end of `as_of`: nothing that happened or was delivered later (law 4).

    Columns: user_id, item_id, occurred_at, event_date, event_type, quantity. Originals only, unordered.
    """
    first = date.min if days is None else as_of - timedelta(days - 1)
    partitions = [d for d in active_files(settings, EVENTS.name) if first <= d <= as_of]
    known = (
        (ds.field(LANDING_DATE) <= as_of)
        & ~ds.field("is_duplicate")
        & ds.field("user_id").is_valid()
        & ds.field("item_id").is_valid()
        & ds.field("event_type").isin(["view", "add_to_cart", "purchase"])
    )
    columns = ["user_id", "item_id", "occurred_at", EVENT_DATE, "event_type", "quantity"]
    return dataset(settings, EVENTS.name, partitions).to_table(columns=columns, filter=known)


def known_users(settings: Settings, as_of: date) -> list[str]:
    """Every user with an event, or a row in the users feed, up to `as_of`, in order."""
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        for name in ("events", "users"):
            days = [d for d in active_files(settings, name) if d <= as_of]
            connection.register(name, dataset(settings, name, days))
        rows = connection.execute(
            "select user_id from events where landing_date <= $1 and user_id is not null"
            " union select user_id from users where user_id is not null order by 1",
            [as_of],
        ).fetchall()
    return [row[0] for row in rows]


def products(settings: Settings, as_of: date) -> pa.Table:
    """Each item's newest row delivered up to `as_of`."""
    return _newest(settings, "products", as_of)


def users(settings: Settings, as_of: date) -> pa.Table:
    """Each user's newest row delivered up to `as_of`."""
    return _newest(settings, "users", as_of)


def _newest(settings: Settings, name: str, as_of: date) -> pa.Table:
    entity = ENTITIES[name]
    key = entity.key[0]
    days = [d for d in active_files(settings, name) if d <= as_of]
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("delivered", dataset(settings, name, days))
        return connection.execute(
            f"select {', '.join(entity.names)} from delivered where not is_duplicate"
            f" qualify row_number() over (partition by {key} order by landing_date desc, file desc, line desc) = 1"
            f" order by {key}"
        ).to_arrow_table()


def landed_days(settings: Settings) -> list[date]:
    """Event dates with committed rows, in order."""
    return sorted(active_files(settings, EVENTS.name))


def vacuum(settings: Settings, dry_run: bool = True) -> dict[str, int]:
    """Delete files that no version of the last `vacuum_days` days needs. Returns the number of files per table."""
    removed = {}
    for name in (*ENTITIES, QUARANTINE):
        found = table(settings, name)
        if found is not None:
            hours = settings.vacuum_days * 24
            removed[name] = len(found.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False))
    return removed
