"""How long a day of millions of events takes through preprocess and audit, and what memory it needs.

    .venv/bin/python -m benchmarks.big_day --data FOLDER_OF_UCI_CSVS --events 10000000

The UCI shop lands through its own source; its events are then repeated onto one date. Every copy has event and user
ids of its own and keeps the time of day, so a user is as active as in all the origin's days together: harder than any
real day for deduplication and sessions. Of the rows, 1 % repeat another row exactly and 0.2 % cannot be read.
Everything happens in a temporary folder that is removed at the end.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psutil

from benchmarks._measure import Ran, nightmarket
from pipelines.contracts import EVENTS

SOURCE = "uci_online_retail"
ROWS_PER_FILE = 1_000_000
DUPLICATES, MALFORMED = 100, 500
"""One row in so many repeats another one; one row in so many is cut in the middle."""


def main() -> None:
    given = _arguments()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-big-day-", dir=given.work))
    try:
        started = time.monotonic()
        origin, home = work / "origin", work / "home"
        nightmarket(origin, "land", "--source", SOURCE, "--path", str(given.data), "--until", str(date.max))
        made = _scale(origin / "landing" / SOURCE, home / "landing" / SOURCE, given)
        _say(f"{given.events:,} rows in {made['files']} files, {made['mib']} MiB, {time.monotonic() - started:.0f} s")
        steps = _steps(home, given)
        print(json.dumps(_summary(home, given, made, steps)), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.big_day", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of UCI Online Retail CSV files, one a day")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--engine", choices=("sail", "spark"), default="sail")
    parser.add_argument("--format", choices=("jsonl", "jsonl.gz", "parquet"), default="jsonl.gz")
    parser.add_argument("--date", type=date.fromisoformat, default=date(2011, 10, 13), help="the day all happens on")
    parser.add_argument("--work", type=Path, default=None, help="where temporary data goes (about 5 GB for 10 million)")
    return parser.parse_args()


# ---- landing files ---------------------------------------------------------------------------------------------
def _scale(origin: Path, shop: Path, given: argparse.Namespace) -> dict[str, int]:
    """Write the day's events, and the products and users of the origin's last days, as landing files."""
    folder = shop / EVENTS.name / f"date={given.date}"
    folder.mkdir(parents=True)
    shutil.copy(origin / "_source.json", shop)
    with duckdb.connect(config={"memory_limit": "2GB", "threads": 2, "temp_directory": str(shop / ".spill")}) as bench:
        for entity in ("products", "users"):
            newest = max((origin / entity).glob("date=*"), default=None)
            if newest is not None:
                shutil.copytree(newest, shop / entity / f"date={given.date}")
        columns = _origin_events(bench, origin, given.date)
        for number, first in enumerate(range(0, given.events, ROWS_PER_FILE)):
            last = min(first + ROWS_PER_FILE, given.events)
            path = folder / f"part-{number:03d}.{given.format}"
            _write_part(bench, path, columns, first, last)
    shutil.rmtree(shop / ".spill", ignore_errors=True)
    files = list(folder.iterdir())
    return {"files": len(files), "mib": sum(f.stat().st_size for f in files) >> 20}


def _origin_events(bench: duckdb.DuckDBPyConnection, origin: Path, day: date) -> list[str]:
    """Table `origin`: readable events numbered in a fixed order, moved to `day`. Returns the columns it ever fills."""
    files = str(origin / EVENTS.name / "*" / "*.parquet")
    bench.execute(
        "create table origin as select (row_number() over (order by event_id) - 1) as n,"
        f" * replace ('{day}' || substr(occurred_at, 11) as occurred_at)"
        " from read_parquet(?, hive_partitioning = false) where unreadable is null",
        [files],
    )
    filled = bench.execute(f"select {', '.join(f'count({name})' for name in EVENTS.names)} from origin").fetchall()[0]
    return [name for name, count in zip(EVENTS.names, filled, strict=True) if count]


def _write_part(bench: duckdb.DuckDBPyConnection, path: Path, columns: list[str], first: int, last: int) -> None:
    """Rows first..last of the endless repetition of the origin. A repeated row is the one 100,003 places before it,
    so most lie far from their original and some in another file.
    """
    own = {name: name for name in columns}
    own |= {name: f"{name} || '-' || copy" for name in ("event_id", "user_id")}
    bench.execute(
        "create or replace temp table part as"
        f" with numbers as (select range as place, place % {MALFORMED} = 7 as is_malformed,"
        f" case when place % {DUPLICATES} = 3 and place > 200000 then place - 100003 else place end as taken"
        f" from range({first}, {last})),"
        " placed as (select *, taken % total as n, taken // total as copy"
        " from numbers, (select count(*) as total from origin))"
        f" select place, is_malformed, {', '.join(f'{sql} as {name}' for name, sql in own.items())}"
        " from placed join origin using (n)"
    )
    if path.suffix == ".parquet":
        spoiled = "* exclude (place, is_malformed) replace (if(is_malformed, 'half a', occurred_at) as occurred_at)"
        bench.execute(f"copy (select {spoiled} from part order by place) to '{path}' (format parquet)")
        return
    line = f"to_json({{{', '.join(f'{name}: {name}' for name in columns)}}})::varchar"
    cut = f"select if(is_malformed, left(line, 60), line) from (select *, {line} as line from part) order by place"
    packed = "gzip" if path.suffix == ".gz" else "none"
    plain = "format csv, header false, quote '', escape '', delimiter '\t'"
    bench.execute(f"copy ({cut}) to '{path}' ({plain}, compression {packed})")


# ---- the day ---------------------------------------------------------------------------------------------------
def _steps(home: Path, given: argparse.Namespace) -> dict[str, Ran]:
    day = ("--date", str(given.date))
    commands = {
        "preprocess": ("preprocess",),
        "audit landing": ("audit", "landing"),
        "audit events": ("audit", "events"),
    }
    steps = {}
    for name, command in commands.items():
        steps[name] = nightmarket(home, *command, *day, engine=given.engine)
        _say(f"{name}: {steps[name].seconds} s, {steps[name].peak_mib} MiB")
    return steps


def _summary(home: Path, given: argparse.Namespace, made: dict[str, int], steps: dict[str, Ran]) -> dict[str, Any]:
    staged = home / "staging" / str(given.date)
    staged /= json.loads((staged / "current.json").read_text())["attempt"]
    files = json.loads((staged / "manifest.json").read_text())["entities"][EVENTS.name]["files"]
    rows: Counter[str] = Counter()
    for file in files:
        rows.update({name: number for name, number in file.items() if name.startswith("rows_")})
    return {
        "benchmark": "big_day",
        "events": given.events,
        "engine": given.engine,
        "format": given.format,
        "landing_files": made["files"],
        "landing_mib": made["mib"],
        "staged_files": len(list((staged / EVENTS.name).glob("*/*.parquet"))),
        **rows,
        "seconds": {name: step.seconds for name, step in steps.items()},
        "cpu_seconds": {name: step.cpu_seconds for name, step in steps.items()},
        "seconds_by_phase": steps["preprocess"].result["seconds_by_phase"],
        "seconds_total": round(sum(step.seconds for step in steps.values()), 1),
        "peak_mib": {name: step.peak_mib for name, step in steps.items()},
        "memory_measured_as": "sum of PSS over the process tree, every 0.25 s",
        "cpus": os.cpu_count(),
        "machine_memory_mib": psutil.virtual_memory().total >> 20,
        "load_average": round(os.getloadavg()[1], 1),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
