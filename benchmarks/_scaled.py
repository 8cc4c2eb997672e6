"""A real shop made larger: days of any number of events, as landing files, with the dirt that real deliveries have.

The origin's readable events are repeated. Every copy has event and user ids of its own and keeps the time of day, so a
user is as active in one day as in all the origin's days together: harder than any real day for deduplication and
sessions. Rows are numbered over the days; a row's number alone says what is wrong with it (see `DIRT`), so the same
numbers give the same bytes.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from benchmarks._measure import nightmarket
from pipelines.contracts import EVENTS

SOURCE = "uci_online_retail"
ROWS_PER_FILE = 1_000_000
REPEAT_BACK = 100_003
"""A repeated row is the one so many places before it: most lie far from their original and some in another file."""

DIRT = {
    "repeated": "place % 100 = 3",
    "redelivered": "place % 1000 = 31",  # a row of the day before, once more
    "cut": "taken % 500 = 7",  # a JSON line cut in the middle; in Parquet a moment that is none
    "late": "taken % 200 = 13",  # of the day before: joins it
    "too_late": "taken % 2000 = 17",  # of five days before: refused
    "without_id": "taken % 5000 = 29",
    "unknown_type": "taken % 2500 = 23",
    "no_pieces": "taken % 1000 = 19",  # a quantity of 0
    "without_session": "copy % 2 = 1",  # of a shop that gives none: preprocess makes them
}
"""By name, the rows it happens to: `place` is a row's own number, `taken` that of the row whose content it has."""


@dataclass(frozen=True)
class Day:
    """Rows `first` to `last` (exclusive) of the endless repetition, delivered on `day`; the day before had those below
    `first`, of which this one redelivers some.
    """

    day: date
    first: int
    last: int


def land_origin(data: Path, home: Path) -> Path:
    """Land the whole UCI shop through its own source; returns its landing folder."""
    nightmarket(home, "land", "--source", SOURCE, "--path", str(data), "--until", str(date.max))
    return home / "landing" / SOURCE


@contextmanager
def opened(origin: Path, spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Table `origin`: the landed shop's readable events, numbered in a fixed order."""
    files = str(origin / EVENTS.name / "*" / "*.parquet")
    with duckdb.connect(config={"memory_limit": "2GB", "threads": 2, "temp_directory": str(spill)}) as bench:
        bench.execute(
            "create table origin as select (row_number() over (order by event_id) - 1) as n, *"
            " from read_parquet(?, hive_partitioning = false) where unreadable is null",
            [files],
        )
        yield bench
    shutil.rmtree(spill, ignore_errors=True)


def write_day(bench: duckdb.DuckDBPyConnection, shop: Path, given: Day, form: str) -> list[Path]:
    """The day's events below `shop`, a file per million rows; `form` is jsonl, jsonl.gz or parquet."""
    folder = shop / EVENTS.name / f"date={given.day}"
    folder.mkdir(parents=True)
    paths = []
    for number, first in enumerate(range(given.first, given.last, ROWS_PER_FILE)):
        last = min(first + ROWS_PER_FILE, given.last)
        paths.append(folder / f"part-{number:03d}.{form}")
        _make_part(bench, given, first, last)
        _write_part(bench, paths[-1])
    return paths


def copy_others(origin: Path, shop: Path, day: date) -> None:
    """Products and users of the origin's last days, as delivered on `day`, and what says where the shop came from."""
    shop.mkdir(parents=True, exist_ok=True)
    shutil.copy(origin / "_source.json", shop)
    for entity in ("products", "users"):
        newest = max((origin / entity).glob("date=*"), default=None)
        if newest is not None:
            shutil.copytree(newest, shop / entity / f"date={day}")


def _make_part(bench: duckdb.DuckDBPyConnection, given: Day, first: int, last: int) -> None:
    """Table `part`: rows first..last in the order of `place`, with the contract's columns that the origin fills."""
    flags = ", ".join(f"{sql} as {name}" for name, sql in DIRT.items() if "taken" in sql or "copy" in sql)
    taken = f"case when {DIRT['redelivered']} and {given.first > 0} then place % {max(given.first, 1)}"
    taken += f" when {DIRT['repeated']} and place - {REPEAT_BACK} >= {given.first} then place - {REPEAT_BACK}"
    taken += " else place end"
    own = {name: name for name in _filled(bench)}
    own |= {
        "event_id": "if(without_id, null, event_id || '-' || copy)",
        "user_id": "user_id || '-' || copy",
        "session_id": "if(without_session, null, session_id || '-' || copy)",
        "event_type": "if(unknown_type, 'teleport', event_type)",
        "quantity": "if(no_pieces, '0', quantity)",
        "occurred_at": "(happened_on - if(too_late, 5, if(late, 1, 0)))::varchar || substr(occurred_at, 11)",
    }
    bench.execute(
        "create or replace temp table part as with numbers as ("
        f" select range as place, {taken} as taken from range({first}, {last})"
        "), placed as (select *, taken % total as n, taken // total as copy,"
        f" date '{given.day}' - if(taken < {given.first}, 1, 0) as happened_on"
        " from numbers, (select count(*) as total from origin)"
        f"), flagged as (select *, {flags} from placed)"
        f" select place, cut, {', '.join(f'{sql} as {name}' for name, sql in own.items())}"
        " from flagged join origin using (n)"
    )


def _filled(bench: duckdb.DuckDBPyConnection) -> list[str]:
    counts = bench.execute(f"select {', '.join(f'count({name})' for name in EVENTS.names)} from origin").fetchall()[0]
    return [name for name, count in zip(EVENTS.names, counts, strict=True) if count]


def _write_part(bench: duckdb.DuckDBPyConnection, path: Path) -> None:
    if path.suffix == ".parquet":
        spoiled = "* exclude (place, cut) replace (if(cut, 'half a', occurred_at) as occurred_at)"
        bench.execute(f"copy (select {spoiled} from part order by place) to '{path}' (format parquet)")
        return
    line = f"to_json({{{', '.join(f'{name}: {name}' for name in _filled(bench))}}})::varchar"
    shown = f"select if(cut, left(line, 60), line) from (select *, {line} as line from part) order by place"
    packed = "gzip" if path.suffix == ".gz" else "none"
    plain = "format csv, header false, quote '', escape '', delimiter '\t'"
    bench.execute(f"copy ({shown}) to '{path}' ({plain}, compression {packed})")
