"""Preprocess of a day of 1, 5 and 20 million events, by the real job and by hand: seconds, memory, equal tables.

    .venv/bin/python -m benchmarks.preprocess --data FOLDER_OF_UCI_CSVS
    .venv/bin/python -m benchmarks.preprocess --data FOLDER_OF_UCI_CSVS --events 1000000 --formats jsonl

Protocol. A real shop is scaled to one day (`_scaled.py` says with which dirt), delivered as Parquet and as JSON-lines,
files of a million rows. The day before, a hundredth of it, is in the lake already; the day redelivers some of its rows.
`nightmarket preprocess` runs as its users run it, a process that starts the engine, on Sail and on Apache Spark. The
same specification is written by hand in DuckDB and in Polars (`benchmarks/peers/`), each in an environment of its own:
judge every row by the contract, mask personal data in free text, quarantine with file, line, reason and text, find
duplicates in the day and in the lake, make sessions, write partitions sorted by user, count per file. Every way must
give the same events, the same quarantine and the same counts, or the benchmark ends with 1. Apache Spark takes minutes
for a million: `--spark-events` says up to which size it runs too.

`seconds` are of a machine as busy as it was; ratios compare runs that followed each other, `cpu_seconds` says more, but
not of Apache Spark: its JVM is nobody's child that is waited for.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psutil

from benchmarks import _scaled
from benchmarks._measure import Ran, nightmarket
from benchmarks._peers import ask
from pipelines.contracts import EARLY_DAYS, EVENTS, QUARANTINE
from pipelines.doctor import java
from pipelines.preprocess.masking import FORMS, NEEDED
from pipelines.preprocess.rules import ID_CHARACTERS, TEXT_CHARACTERS
from pipelines.settings import Settings

DAY = date(2011, 10, 13)
BEFORE = DAY - timedelta(1)
ENGINES, PEERS = ("sail", "spark"), ("duckdb", "polars")
FORMATS = ("parquet", "jsonl")
PEER_MEMORY = "6GB"
COUNTS = ("rows_in", "published", "deduplicated", "quarantined")


@dataclass(frozen=True)
class Outcome:
    """`tables`: of each table its rows and a hash that no order changes; `counts`: of each file, as COUNTS."""

    ran: Ran
    tables: dict[str, tuple[int, str]]
    counts: dict[str, tuple[int, ...]]


def main() -> None:
    given = _arguments()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-preprocess-", dir=given.work)).resolve()
    found: dict[str, dict[str, Any]] = {form: {} for form in given.formats}
    try:
        origin = _scaled.land_origin(given.data, work / "origin")
        for events in sorted(given.events):
            for form in given.formats:
                with _delivered(origin, work / f"{form}-{events}", form, events) as home:
                    found[form][str(events)] = _measure(home, _ways(given, events))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(json.dumps(_summary(found)), flush=True)
    if not all(size["equal"] for sizes in found.values() for size in sizes.values()):
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.preprocess", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of UCI Online Retail CSV files, one a day")
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--ways", nargs="+", choices=(*ENGINES, *PEERS), default=[*ENGINES, *PEERS])
    parser.add_argument("--spark-events", type=int, default=1_000_000, help="the largest day that Apache Spark gets")
    parser.add_argument(
        "--work", type=Path, default=None, help="where temporary data goes (about 12 GB for 20 million)"
    )
    return parser.parse_args()


def _ways(given: argparse.Namespace, events: int) -> list[str]:
    with_spark = events <= given.spark_events and java().ok
    return [way for way in given.ways if way != "spark" or with_spark]


# ---- what is delivered -----------------------------------------------------------------------------------------
@contextmanager
def _delivered(origin: Path, home: Path, form: str, events: int) -> Iterator[Path]:
    """A home with the day landed and the day before committed to the lake; removed at the end."""
    shop, opening = home / "landing" / _scaled.SOURCE, events // 100
    shop.mkdir(parents=True)
    shutil.copy(origin / "_source.json", shop)
    with _scaled.opened(origin, home / "spill") as bench:
        _scaled.write_day(bench, shop, _scaled.Day(BEFORE, 0, opening), form)
        _scaled.write_day(bench, shop, _scaled.Day(DAY, opening, opening + events), form)
    for command in (("preprocess",), ("audit", "landing"), ("audit", "events"), ("publish-lake",)):
        nightmarket(home, *command, "--date", str(BEFORE))
    _say(f"{form}, {events:,} events: delivered")
    try:
        yield home
    finally:
        shutil.rmtree(home)


# ---- the ways to preprocess it ---------------------------------------------------------------------------------
def _measure(home: Path, ways: list[str]) -> dict[str, Any]:
    outcomes: dict[str, Outcome] = {}
    for way in ways:
        outcomes[way] = one = _by_job(home, way) if way in ENGINES else _by_hand(home, way)
        _say(f"  {way}: {one.ran.seconds} s, CPU {one.ran.cpu_seconds} s, {one.ran.peak_mib} MiB")
    first = next(iter(outcomes.values()))
    differing = [w for w, o in outcomes.items() if (o.tables, o.counts) != (first.tables, first.counts)]
    for way in differing:
        _say(f"  {way} differs: {_difference(outcomes[way], first)}")
    return {
        **{way: _shown(one.ran) for way, one in outcomes.items()},
        "equal": not differing,
        "rows": {name: sum(c[i] for c in first.counts.values()) for i, name in enumerate(COUNTS)},
        "against_duckdb": {
            way: {name: round(getattr(one.ran, name) / getattr(outcomes["duckdb"].ran, name), 2) for name in _COMPARED}
            for way, one in outcomes.items()
            if "duckdb" in outcomes and way != "duckdb"
        },
    }


_COMPARED = ("seconds", "cpu_seconds", "peak_mib")


def _shown(ran: Ran) -> dict[str, Any]:
    phases = ran.result.get("seconds_by_phase") or ran.result["seconds"]
    return {**{name: getattr(ran, name) for name in _COMPARED}, "seconds_by_phase": phases}


def _by_job(home: Path, engine: str) -> Outcome:
    ran = nightmarket(home, "preprocess", "--date", str(DAY), engine=engine)
    staged = home / "staging" / str(DAY)
    staged /= json.loads((staged / "current.json").read_text())["attempt"]
    files = json.loads((staged / "manifest.json").read_text())["entities"][EVENTS.name]["files"]
    names = ("rows_in", "rows_published", "rows_deduplicated", "rows_quarantined")
    return Outcome(ran, _hashes(staged), {f["file"]: tuple(f[name] for name in names) for f in files})


def _by_hand(home: Path, peer: str) -> Outcome:
    out = home / "by-hand"
    question = question_of(home, out)
    ran = ask(peer, f"preprocess_{peer}.py", question, threads=os.cpu_count() or 1)
    own = {file["name"] for file in question["files"]}
    counts = {f: tuple(c[name] for name in COUNTS) for f, c in ran.result["files"].items() if f in own}
    outcome = Outcome(ran, _hashes(out), counts)
    shutil.rmtree(out)
    return outcome


def question_of(home: Path, out: Path) -> dict[str, Any]:
    """What the scripts of `benchmarks/peers` are told: the delivered files, the lake's, and the contract's numbers."""
    settings = Settings(home=home)
    (shop,) = (home / "landing").iterdir()
    folder = shop / EVENTS.name
    delivered = sorted((folder / f"date={DAY}").iterdir())
    return {
        "files": [
            {"path": str(path), "name": path.relative_to(folder).as_posix(), "landing_date": str(DAY)}
            for path in delivered
        ],
        "lake": [str(path) for path in sorted((settings.lake / EVENTS.name).glob("*=*/*.parquet"))],
        "out": str(out),
        "threads": os.cpu_count(),
        "memory": PEER_MEMORY,
        "late_days": settings.late_days,
        "early_days": EARLY_DAYS,
        "gap_minutes": settings.session_gap_minutes,
        "id_characters": ID_CHARACTERS,
        "text_characters": TEXT_CHARACTERS,
        "masks": [(form.pattern, form.left, form.mark, form.right) for form in FORMS],
        "masks_need": NEEDED,
    }


# ---- are they equal? -------------------------------------------------------------------------------------------
def _hashes(folder: Path) -> dict[str, tuple[int, str]]:
    return {name: table_hash(folder / name) for name in (EVENTS.name, QUARANTINE)}


def table_hash(folder: Path) -> tuple[int, str]:
    """Rows, and the sum of the MD5 of each row's text, of partitioned Parquet: what `tablehash` says, without a sort of
    tens of millions of rows. Columns are taken by name.
    """
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as bench:
        bench.execute("set timezone = 'UTC'")
        rows = f"read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
        names = sorted(row[0] for row in bench.execute(f"describe select * from {rows}").fetchall())
        text = "concat_ws(chr(31), " + ", ".join(f"coalesce(cast({name} as text), chr(0))" for name in names) + ")"
        halves = f"sum(md5_number_upper({text})::hugeint), sum(md5_number_lower({text})::hugeint)"
        number, upper, lower = bench.execute(f"select count(*), {halves} from {rows}").fetchall()[0]
    return number, f"{' '.join(names)} {upper} {lower}"


def _difference(one: Outcome, other: Outcome) -> str:
    tables = [f"{name} {one.tables[name]} and {other.tables[name]}" for name in one.tables]
    files = [f"{name} {one.counts.get(name)} and {counts}" for name, counts in other.counts.items()]
    pairs = [(one.tables[name], other.tables[name]) for name in one.tables]
    pairs += [(one.counts.get(name), counts) for name, counts in other.counts.items()]
    return "; ".join(text for text, (a, b) in zip([*tables, *files], pairs, strict=True) if a != b)


def _summary(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "benchmark": "preprocess",
        "formats": found,
        "grows": {form: _growth(sizes) for form, sizes in found.items()},
        "memory_measured_as": "sum of PSS over the process tree, up to four times a second",
        "cpus": os.cpu_count(),
        "machine_memory_mib": psutil.virtual_memory().total >> 20,
        "load_average": round(os.getloadavg()[1], 1),
    }


def _growth(sizes: dict[str, Any]) -> dict[str, Any]:
    """How many times the seconds of each size are those of the size before."""
    pairs = zip([*sizes], [*sizes][1:], strict=False)
    return {
        f"{small} to {large}": {
            way: {name: round(sizes[large][way][name] / sizes[small][way][name], 2) for name in _COMPARED[:2]}
            for way in (*ENGINES, *PEERS)
            if way in sizes[small] and way in sizes[large]
        }
        for small, large in pairs
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
