"""The landing zone: what sources write once and never change, and what a night finds there."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.contracts import ENTITIES, EVENTS, LINE, UNREADABLE, UNREADABLE_REASON
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.settings import Batch, Settings
from pipelines.sources import Delivery, LandRequest, Source, get_source

ROW_GROUP = 128 << 10
_SOURCE_FILE = "_source.json"
_KINDS = ("jsonl", "csv", "parquet")


@dataclass(frozen=True)
class LandingFile:
    """One delivered file; `name` is its path below landing/<shop>/<entity>/, the `file` of a row's provenance."""

    path: Path
    landing_date: date
    name: str

    @property
    def kind(self) -> str:
        """jsonl, csv or parquet; "" for a file that is none of them."""
        suffix = self.path.name.removesuffix(".gz").rpartition(".")[2]
        return suffix if suffix in _KINDS else ""


# ---- reading ---------------------------------------------------------------------------------------------------
def shop_of(settings: Settings) -> str:
    """The shop to work on: the setting, else the only one that has landed."""
    if settings.shop:
        return settings.shop
    shops = [p.name for p in _folders(settings.landing)]
    if len(shops) == 1:
        return shops[0]
    if not shops:
        raise UsageError(f"nothing has landed in {settings.landing}; run `nightmarket land SOURCE` first")
    raise UsageError(f"several shops have landed ({', '.join(shops)}); set `shop` in settings.yaml or NIGHTMARKET_SHOP")


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and p.name[0] not in "._") if parent.is_dir() else []


def _dated(folder: Path) -> Iterator[tuple[date, Path]]:
    """date=YYYY-MM-DD folders; one that is no date is an error, because its rows would never be read."""
    for path in _folders(folder):
        try:
            name, _, day = path.name.partition("=")
            if name != "date":
                raise ValueError
            yield date.fromisoformat(day), path
        except ValueError as error:
            raise NightmarketError(
                f"landing folder {path} is not named date=YYYY-MM-DD; rename or remove it"
            ) from error


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] not in "._")


def landing_files(settings: Settings, batch: Batch, entity: str) -> list[LandingFile]:
    """Every file delivered for `entity` on the batch's dates, sorted by date and name. Hidden files are none."""
    root = settings.landing / shop_of(settings) / entity
    return [
        LandingFile(path, day, path.relative_to(root).as_posix())
        for day, folder in _dated(root)
        if day in batch
        for path in _files(folder)
    ]


def landed_dates(settings: Settings) -> tuple[date, date]:
    """First and last landing date of any entity."""
    shop = settings.landing / shop_of(settings)
    days = [day for name in ENTITIES for day, folder in _dated(shop / name) if _files(folder)]
    if not days:
        raise UsageError(f"nothing has landed in {shop}; run `nightmarket land SOURCE` first")
    return min(days), max(days)


def _source_of(settings: Settings) -> Source | None:
    path = settings.landing / shop_of(settings) / _SOURCE_FILE
    if not path.exists():
        return None  # files put here by something else: every day counts as open
    try:
        kept = json.loads(path.read_text())
        return _with_options(get_source(kept["source"]), kept["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise NightmarketError(f"{path} is broken ({error}); run `nightmarket land` again to write it anew") from error


def _with_options(source: Source, options: dict[str, Any]) -> Source:
    return source.with_options(options) if source.with_options else source


def timezone_of(settings: Settings) -> str:
    """The origin's time zone, for files that state local times; UTC where no source is known."""
    source = _source_of(settings)
    return source.timezone if source else "UTC"


def closed_days(settings: Settings, batch: Batch) -> set[date]:
    """Days of the batch on which the source declares that the shop is closed."""
    source = _source_of(settings)
    return {day for day in batch.days() if source.is_closed(day)} if source else set()


def check_freshness(settings: Settings, batch: Batch) -> list[str]:
    """One sentence for every open day without an events file; empty when all have landed."""
    closed = closed_days(settings, batch)
    arrived = {file.landing_date for file in landing_files(settings, batch, EVENTS.name)}
    folder = settings.landing / shop_of(settings) / EVENTS.name
    return [
        f"no {EVENTS.name} file has landed for {day}, an open day of {folder.parent.name}: expected in"
        f" {folder}/date={day}; land it, then run this night again"
        for day in batch.days()
        if day not in closed and day not in arrived
    ]


# ---- writing ---------------------------------------------------------------------------------------------------
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
    source = _with_options(source, options)
    shop = settings.shop or source_name
    with _one_line_errors(settings.landing), _workdir(settings) as work, _progress(progress) as tell:
        _keep_source(settings.landing / shop / _SOURCE_FILE, source_name, options)
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
        rows, unreadable = _write_parquet(temporary, delivery)
        digest = _sha256(temporary)
        final = folder / f"{delivery.stem}-{digest[:12]}.parquet"
        if not rows or final.exists():
            return rows, unreadable, False
        fault_point("land.written")
        temporary.replace(final)
        _sync(folder)
        return rows, unreadable, True
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
            folder.rmdir()  # goes only when empty


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


def _write_parquet(path: Path, delivery: Delivery) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = [pa.field(name, pa.string()) for name in ENTITIES[delivery.entity].names]
    technical = [pa.field(n, pa.string()) for n in (UNREADABLE, UNREADABLE_REASON)]
    schema = pa.schema([*text, pa.field(LINE, pa.int64()), *technical])
    rows = unreadable = 0
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for table in _regrouped(delivery.rows):
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


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _keep_source(path: Path, name: str, options: dict[str, Any]) -> None:
    """Later nights ask this file for the time zone and the closed days."""
    if path.exists():
        with suppress(ValueError, KeyError, TypeError):
            before = json.loads(path.read_text())["source"]
            if before != name:
                raise UsageError(
                    f"{path.parent} holds landing files of source {before}; set NIGHTMARKET_SHOP to land {name} apart"
                )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    with temporary.open("w") as file:
        json.dump({"source": name, "options": options}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


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
