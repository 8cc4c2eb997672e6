"""What sources write to the landing zone: whole files, once, under names that tell content and order of arrival."""

import glob
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.contracts import ENTITIES, LINE, UNREADABLE, UNREADABLE_REASON
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.files import fsync_folder, write_atomic
from pipelines.landing import ORIGIN_FILE, SOURCE_FILE, with_options
from pipelines.settings import Batch, Settings
from pipelines.sources import Delivery, LandRequest, Source, get_source

ROW_GROUP = 128 << 10


def land(
    settings: Settings,
    source_name: str,
    path: Path | None,
    first: date | None,
    last: date | None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write the source's deliveries of the range. Content that has landed before is kept; new content is a new file.

    Returns {shop, source, files_written, files_kept, rows: {entity: n}, unreadable, first, last}; the last two are
    None when all days were closed. Raises UsageError for a wrong call, NightmarketError when an open range is empty.
    """
    source = get_source(source_name)
    if source.needs_path and path is None:
        raise UsageError(f"source {source_name} needs --path: {source.description}")
    if path is not None and not path.exists():
        raise UsageError(f"source {source_name}: {path} does not exist")
    if first and last and first > last:
        raise UsageError(f"the first day {first} is after the last day {last}")
    options = source.options(path)
    source = with_options(source, options)
    shop = settings.shop or source_name
    with _one_line_errors(settings.landing), _workdir(settings) as work, _progress(progress) as tell:
        _keep_source(settings, shop, source_name, options)
        write_atomic(settings.run / ORIGIN_FILE, json.dumps({"path": path and str(path.resolve())}).encode())
        counts = _Counts()
        for delivery in source.land(LandRequest(path, first, last, work, settings.memory_limit)):
            tell(f"{delivery.entity} {delivery.day}")
            counts.add(delivery, *_write(settings.landing / shop, delivery))
    if not counts.days and not _all_closed(source, first, last):
        raise NightmarketError(
            f"source {source_name} has nothing between {first or 'its start'} and {last or 'its end'}, not all of them"
            " closed days; check the dates and whether the origin's file has come"
        )
    return {"shop": shop, "source": source_name, **counts.summary()}


def _all_closed(source: Source, first: date | None, last: date | None) -> bool:
    return first is not None and last is not None and all(map(source.is_closed, Batch(first, last).days()))


class _Counts:
    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.written = self.kept = self.unreadable = 0
        self.days: list[date] = []

    def add(self, delivery: Delivery, rows: int, unreadable: int, is_new: bool) -> None:
        if not rows:
            return
        self.rows[delivery.entity] += rows
        self.unreadable += unreadable
        self.written += is_new
        self.kept += not is_new
        self.days.append(delivery.day)

    def summary(self) -> dict[str, Any]:
        return {
            "files_written": self.written,
            "files_kept": self.kept,
            "rows": dict(sorted(self.rows.items())),
            "unreadable": self.unreadable,
            "first": str(min(self.days)) if self.days else None,
            "last": str(max(self.days)) if self.days else None,
        }


def _write(shop: Path, delivery: Delivery) -> tuple[int, int, bool]:
    """(rows, unreadable rows, is new). A delivery without rows leaves no file."""
    folder = shop / delivery.entity / f"date={delivery.day}"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.tmp"):
        if _is_orphan(left):
            left.unlink(missing_ok=True)
    temporary = folder / f".{delivery.stem}-{os.getpid()}.tmp"  # hidden: never taken for a landing file
    try:
        rows, unreadable = _write_parquet(temporary, delivery.entity, _rows(shop, delivery))
        digest = _sha256(temporary)[:12]
        earlier = list(folder.glob(f"{glob.escape(delivery.stem)}-[0-9][0-9][0-9]-*.parquet"))
        if not rows or any(file.stem.endswith(digest) for file in earlier):
            return rows, unreadable, False
        fault_point("land.written")
        # The number keeps files of one origin in the order they came: of two rows with one key the first one stays.
        temporary.replace(folder / f"{delivery.stem}-{len(earlier):03d}-{digest}.parquet")
        fsync_folder(folder)
        return rows, unreadable, True
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
            folder.rmdir()  # goes only when empty


def _rows(shop: Path, delivery: Delivery) -> Iterable[Any]:
    if delivery.media is None:
        return delivery.rows
    from pipelines.media.delivered import with_content

    return with_content(shop, delivery.rows, delivery.media)


def _is_orphan(path: Path) -> bool:
    """Left behind by a process that was killed: `path` is named ...-<pid>[.tmp], and that process is gone."""
    pid = path.name.removesuffix(".tmp").rpartition("-")[2]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and somebody else's
        return False
    return False


def _write_parquet(path: Path, entity: str, batches: Iterable[Any]) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = [pa.field(name, pa.string()) for name in ENTITIES[entity].names]
    technical = [pa.field(n, pa.string()) for n in (UNREADABLE, UNREADABLE_REASON)]
    schema = pa.schema([*text, pa.field(LINE, pa.int64()), *technical])
    rows = unreadable = 0
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for table in _regrouped(batches):
                columns = [
                    table.column(f.name).cast(f.type) if f.name in table.schema.names else pa.nulls(len(table), f.type)
                    for f in schema
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=ROW_GROUP)
                rows += len(table)
                unreadable += len(table) - columns[-1].null_count
        file.flush()
        os.fsync(file.fileno())
    return rows, unreadable


def _regrouped(batches: Iterable[Any]) -> Iterator[Any]:
    """Tables of exactly ROW_GROUP rows (the last one shorter), so that the bytes do not depend on batch sizes."""
    import pyarrow as pa

    waiting: Any = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        waiting = table if waiting is None else pa.concat_tables([waiting, table])
        while len(waiting) >= ROW_GROUP:
            yield waiting.slice(0, ROW_GROUP).combine_chunks()
            waiting = waiting.slice(ROW_GROUP)
    if waiting is not None and len(waiting):
        yield waiting.combine_chunks()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep_source(settings: Settings, shop: str, name: str, options: dict[str, Any]) -> None:
    """Later nights ask this file for the closed days. A home is one shop's, and a shop has one source."""
    others = sorted(p.name for p in settings.landing.glob("[!._]*") if p.is_dir() and p.name != shop)
    if others:
        raise UsageError(
            f"{settings.home} is the home of shop {others[0]}; land {shop} in a NIGHTMARKET_HOME of its own"
        )
    path = settings.landing / shop / SOURCE_FILE
    if path.exists():
        with suppress(ValueError, KeyError, TypeError):
            before = json.loads(path.read_text())["source"]
            if before != name:
                raise UsageError(
                    f"{path.parent} holds landing files of source {before};"
                    f" land {name} in a NIGHTMARKET_HOME of its own"
                )
    write_atomic(path, json.dumps({"source": name, "options": options}, indent=1, sort_keys=True).encode())


@contextmanager
def _one_line_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NightmarketError(
            f"landing in {folder} stopped: {error.strerror or error} ({error.filename or 'no file named'});"
            " what had landed stays, run the same command again"
        ) from error


@contextmanager
def _workdir(settings: Settings) -> Iterator[Path]:
    """A private folder for temporary files, gone afterwards even when landing fails."""
    settings.staging.mkdir(parents=True, exist_ok=True)
    for left in settings.staging.glob("land-*"):
        if _is_orphan(left):
            shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix="land-", suffix=f"-{os.getpid()}", dir=settings.staging))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _progress(callback: Callable[[str], None] | None) -> Iterator[Callable[[str], None]]:
    """The caller's callback, else a spinner on a terminal, else nothing."""
    if callback or not sys.stderr.isatty():
        yield callback or (lambda text: None)
        return
    from rich.console import Console

    with Console(stderr=True).status("landing") as status:
        yield lambda text: status.update(f"landing {text}")
