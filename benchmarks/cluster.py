"""Preprocess on a Spark cluster of one worker and of two, beside Sail, in one run: rows a second and memory.

    .venv/bin/python -m benchmarks.cluster --events 300000
    .venv/bin/python -m benchmarks.cluster --events 1000000 --one-user 1000000 --engines sail
    .venv/bin/python -m benchmarks.cluster --data FOLDER_OF_UCI_CSVS

Without --data a day of events is made up: every user has about twenty of them, and `--one-user` gives as many as it
says to a single one. Each cluster is started from the pip package on 127.0.0.1, with a core and 1 GiB for a worker, and
preprocesses the day twice: the second time its JVMs are warm. Seconds say what two workers gain only while each finds a
core free; `cpu_seconds` (client, server and executors) says what the work costs in any case. Needs Java 17.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psutil

from benchmarks._measure import Ran, nightmarket, watching
from pipelines.connect import VARIABLE
from pipelines.contracts import EVENTS
from pipelines.doctor import require_java
from tests import spark_cluster

DAY = date(2024, 5, 1)
ENGINES = ("sail", "one worker", "two workers")
WORKERS = {"one worker": 1, "two workers": 2}
EVENTS_A_USER = 20


def main() -> None:
    given = _arguments()
    if set(given.engines) & set(WORKERS):
        require_java()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-cluster-"))
    try:
        origin = work / "origin"
        batch = _land(origin, given.data) if given.data else _make_up(origin, given.events, given.one_user)
        found = {engine: _measure(work, engine, batch) for engine in given.engines}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(json.dumps(_summary(given, found)), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of UCI Online Retail CSV files, one a day: all of it")
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--one-user", type=int, default=0, help="so many of the events belong to one user")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    return parser.parse_args()


def _land(origin: Path, data: Path) -> tuple[str, ...]:
    landed = nightmarket(
        origin, "land", "--source", "uci_online_retail", "--path", str(data), "--until", str(date.max)
    ).result
    return ("--from", landed["first"], "--until", landed["last"])


def _make_up(origin: Path, events: int, one_user: int) -> tuple[str, ...]:
    folder = origin / "landing" / "made_up" / EVENTS.name / f"date={DAY}"
    folder.mkdir(parents=True)
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as bench:
        bench.execute(
            "copy (select 'e' || n as event_id, 'purchase' as event_type,"
            " strftime(timestamp '2024-05-01' + to_microseconds(n * 86400000000 // $1), '%Y-%m-%dT%H:%M:%S.%fZ')"
            "   as occurred_at,"
            " if(n < $2, 'robot', 'u' || hash(n) % greatest($1 // $3, 1)) as user_id,"
            " 'i' || hash(n + 1) % 5000 as item_id, hash(n) % 5 + 1 as quantity, 2.50 as unit_price"
            f" from range($1) as numbers(n)) to '{folder / 'a.jsonl'}' (format json)",
            [events, one_user, EVENTS_A_USER],
        )
    return ("--date", str(DAY))


def _measure(work: Path, engine: str, batch: tuple[str, ...]) -> dict[str, Any]:
    """Two runs in homes of their own, and the peak of everything that this process started meanwhile."""
    with ExitStack() as stack:
        settings, servers = {"engine": engine}, []
        if engine in WORKERS:
            folder = work / engine.replace(" ", "-")
            folder.mkdir()
            cluster = stack.enter_context(spark_cluster.running(folder, WORKERS[engine]))
            os.environ[VARIABLE] = cluster.token
            settings, servers = {"engine": cluster.url}, [*cluster.processes.values()]
        watch = stack.enter_context(watching(os.getpid()))
        runs = []
        for number in ("first", "second"):
            home = work / f"home-{engine.replace(' ', '-')}-{number}"
            shutil.copytree(work / "origin" / "landing", home / "landing")
            busy = _cpu_seconds(servers)
            ran = nightmarket(home, "preprocess", *batch, **settings)
            runs.append(_run(ran, ran.cpu_seconds + _cpu_seconds(servers) - busy))
            _say(f"{engine}, {number} run: {ran.seconds} s")
            files = _files(home)
            shutil.rmtree(home)
    return {"runs": runs, "peak_mib": watch.peak >> 20, "files": files}


def _cpu_seconds(servers: list[subprocess.Popen[bytes]]) -> float:
    """Processor time of the cluster's processes so far, executors included."""
    family = [one for server in servers for one in (psutil.Process(server.pid), *_children(server.pid))]
    return sum(times.user + times.system for times in (one.cpu_times() for one in family))


def _children(pid: int) -> list[psutil.Process]:
    return [one for one in psutil.Process(pid).children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


def _run(one: Ran, cpu_seconds: float) -> dict[str, Any]:
    phases = one.result["seconds_by_phase"]
    engine_seconds = sum(phases[name] for name in ("check", "write", "count"))
    return {
        "seconds": one.seconds,
        "engine_seconds": round(engine_seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "rows_per_cpu_second": round(one.result["rows"] / cpu_seconds),
        "rows_per_second": round(one.result["rows"] / engine_seconds),
        "seconds_by_phase": phases,
    }


def _files(home: Path) -> dict[str, int]:
    """How many event files were staged, and the largest one's rows and bytes."""
    found = list(home.glob(f"staging/*/*/{EVENTS.name}/*/*.parquet"))
    with duckdb.connect() as bench:
        rows = bench.execute("select max(num_rows) from parquet_file_metadata(?)", [[str(f) for f in found]]).fetchall()
    return {"number": len(found), "most_rows": rows[0][0], "most_bytes": max(f.stat().st_size for f in found)}


def _summary(given: argparse.Namespace, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    warm = {engine: one["runs"][1] for engine, one in found.items()}
    return {
        "benchmark": "cluster",
        "data": "uci_online_retail" if given.data else "made up",
        "events": None if given.data else given.events,
        "one_user": given.one_user,
        "engines": found,
        "against_one_worker": {
            name: {engine: round(one[name] / warm["one worker"][name], 2) for engine, one in warm.items()}
            for name in ("rows_per_second", "rows_per_cpu_second")
            if "one worker" in warm
        },
        "memory_measured_as": "sum of PSS over this process and all it started, every 0.25 s",
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[1], 1),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
