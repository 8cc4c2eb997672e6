"""Commits: the files staged for some partitions take the place of those committed there, in one Delta commit."""

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from pipelines.errors import NightmarketError, Unavailable
from pipelines.faults import fault_point
from pipelines.fence import Attempt
from pipelines.lake import store
from pipelines.lake.tables import DataFile, digest, files_of, partition_column, schema_of, table, version_of
from pipelines.settings import Settings


@dataclass(frozen=True)
class Change:
    """What one commit to version `version` of a table would make of it: files by path, and what they replace."""

    name: str
    version: int
    wanted: dict[str, DataFile]
    present: dict[str, DataFile]


def commit(
    settings: Settings, name: str, staged: Path, dates: list[date], base: dict[str, str], attempt: Attempt
) -> dict[str, int]:
    """Replace the partitions `dates` of table `name` by the files staged for them, in one Delta commit.

    Call it inside `fence.guard`. Committing the same files twice changes nothing.
    """
    return apply(settings, plan(settings, name, staged, dates, base), attempt)


def plan(settings: Settings, name: str, staged: Path, dates: list[date], base: dict[str, str]) -> Change:
    """Place the staged files beside the table's own, where no reader sees them before `apply`.

    `staged` holds `<partition column>=YYYY-MM-DD/*.parquet`; a date without files becomes empty. `base` is the digest
    of each partition when the staged rows were made from it: if another commit has moved one since, this one is
    refused.
    """
    column = partition_column(name)
    found = table(settings, name)
    present = {path: file for path, file in files_of(found, name).items() if file.day in dates}
    # Named after the staged attempt and its content, not after this try at committing it: a rerun finds its own files
    # again, and an attempt of another home that bears the same number has other names.
    placed = [_place(settings, name, staged / f"{column}={d}", d, staged.parent.name) for d in dates]
    wanted = {path: file for files in placed for path, file in files.items()}
    moved = [str(d) for d in dates if _digest(present, d) != base.get(str(d), "")]
    if moved and set(wanted) != set(present):  # equal: an earlier try has committed this very change
        raise NightmarketError(
            f"lake/{name} changed at {', '.join(moved[:3])} since this batch was preprocessed; run preprocess again"
        )
    return Change(name, version_of(found), wanted, present)


def _digest(files: dict[str, DataFile], day: date) -> str:
    paths = [path for path, file in files.items() if file.day == day]
    return digest(paths) if paths else ""


def _place(settings: Settings, name: str, folder: Path, day: date, attempt_id: str) -> dict[str, DataFile]:
    """Bring the files staged for one partition to the table under names of their own."""
    placed: dict[str, DataFile] = {}
    for index, file in enumerate(sorted(folder.glob("*.parquet"))):
        rows = pq.read_metadata(file).num_rows
        if rows:
            path = f"{folder.name}/{attempt_id}-{_sha256(file)[:12]}-{index:05d}.parquet"
            store.place(settings, name, path, file)
            placed[path] = DataFile(day, file.stat().st_size, rows)
    return placed


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def apply(settings: Settings, change: Change, attempt: Attempt) -> dict[str, int]:
    """Commit a change that was planned inside the same `fence.guard`; one that is there already makes no version."""
    added, removed = set(change.wanted) - set(change.present), set(change.present) - set(change.wanted)
    if not added and not removed:
        return {"version": change.version, "added": 0, "removed": 0}
    fault_point("lake.placed")
    with store.reached(settings):
        version = _write(settings, change, attempt)
    fault_point("lake.committed")
    return {"version": version, "added": len(added), "removed": len(removed)}


def _write(settings: Settings, change: Change, attempt: Attempt) -> int:
    name = change.name
    column, schema = partition_column(name), Schema.from_arrow(schema_of(name))
    properties = CommitProperties(
        custom_metadata={"attempt": attempt.id},
        max_commit_retries=0,
        app_transactions=[Transaction(attempt.key, attempt.token)],
    )
    try:
        found = _opened(settings, change)
        if _add_new_columns(found, schema_of(name)) and found.version() != max(change.version, 0) + 1:
            raise _overtaken(name)
        actions = _actions(change, column)
        found.create_write_transaction(actions, "append", schema, partition_by=[column], commit_properties=properties)
        return DeltaTable(store.location(settings, name)).version()
    except CommitFailedError as error:
        raise _overtaken(name) from error
    except DeltaError as error:
        raise NightmarketError(f"commit to lake/{name} failed: {str(error).splitlines()[0]}") from error


def _overtaken(name: str) -> Unavailable:
    return Unavailable(f"another process committed to lake/{name} at the same moment; run again")


def _opened(settings: Settings, change: Change) -> DeltaTable:
    """The table at the version that was planned for. The fence knows one home; a bucket may serve several."""
    place, column = store.location(settings, change.name), partition_column(change.name)
    if change.version < 0:
        try:
            # Without a limit, one that lost the race would make the table once more, as its next version.
            once = CommitProperties(max_commit_retries=0)
            schema = Schema.from_arrow(schema_of(change.name))
            return DeltaTable.create(place, schema, partition_by=[column], commit_properties=once)
        except DeltaError as error:
            raise _overtaken(change.name) from error
    found = DeltaTable(place)
    if found.version() != change.version:
        raise _overtaken(change.name)
    return found


def _actions(change: Change, column: str) -> list[AddAction | RemoveAction]:
    now = int(time.time() * 1000)
    actions: list[AddAction | RemoveAction] = [
        AddAction(path, file.size, {column: str(file.day)}, now, True, json.dumps({"numRecords": file.rows}))
        for path, file in change.wanted.items()
        if path not in change.present
    ]
    actions += [
        RemoveAction(path, True, now, file.size, {column: str(file.day)})
        for path, file in change.present.items()
        if path not in change.wanted
    ]
    return actions


def _add_new_columns(found: DeltaTable, schema: pa.Schema) -> bool:
    """Whether there were any: they are a version of their own, and one that lost a race is not tried again."""
    known = {field.name for field in found.schema().fields}
    fresh = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
    if fresh:
        once = CommitProperties(max_commit_retries=0)
        found.alter.add_columns([Field(f.name, f.type, nullable=True) for f in fresh], commit_properties=once)
    return bool(fresh)
