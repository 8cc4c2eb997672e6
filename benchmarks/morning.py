"""How long the morning view of a night takes: the marts, their swap to BI, monitoring and the page of the night.

    .venv/bin/python -m benchmarks.morning --data FOLDER_OF_UCI_CSVS --events 1000000

A shop with a hundredth of the events on the day before and all of them on the night's day (`_scaled.py` says with which
dirt) goes through history and a whole night. Then what people look at is made once more, step by step, each a process
of its own as in Airflow. The quarantine of so dirty a day has to be accepted by hand; the reason is given.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import _scaled
from benchmarks._measure import Ran, nightmarket
from pipelines.contracts import EVENTS
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse

DAY = date(2011, 10, 13)
BEFORE = (DAY - timedelta(2), DAY - timedelta(1))
VIEW = ("marts", "publish", "monitor", "report")
ACCEPT = ("--accept-quarantine", "dirt that the benchmark made")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.morning", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of UCI Online Retail CSV files, one a day")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, default=None, help="where temporary data goes")
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-morning-", dir=given.work)).resolve()
    try:
        home = deliver(given.data, work, given.events)
        say(nightmarket(home, "history", "--from", str(BEFORE[0]), "--until", str(BEFORE[1]), *ACCEPT), "history")
        whole = nightmarket(home, "night", "--date", str(DAY), *ACCEPT)
        say(whole, "night")
        steps = {name: nightmarket(home, name, "--date", str(DAY)) for name in VIEW}
        for name, ran in steps.items():
            say(ran, name)
        print(json.dumps(summary(home, whole, steps)), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def deliver(data: Path, work: Path, events: int) -> Path:
    """A home with three delivered days: two small ones for history, and the night's."""
    origin, home = _scaled.land_origin(data, work / "origin"), work / "home"
    shop, small = home / "landing" / _scaled.SOURCE, events // 100
    _scaled.copy_others(origin, shop, DAY)
    with _scaled.opened(origin, work / "spill") as bench:
        for n, day in enumerate(BEFORE):
            _scaled.write_day(bench, shop, _scaled.Day(day, n * small, (n + 1) * small), "parquet")
        first = len(BEFORE) * small
        _scaled.write_day(bench, shop, _scaled.Day(DAY, first, first + events), "parquet")
    return home


def summary(home: Path, whole: Ran, steps: dict[str, Ran]) -> dict[str, Any]:
    with open_warehouse(Settings(home=home), read_only=True) as connection:
        counts = "select count(*), count(distinct user_id) from raw.events where event_date = ?"
        row = connection.execute(counts, [DAY]).fetchone()
    assert row is not None
    return {
        "benchmark": "morning", EVENTS.name: row[0], "users": row[1],
        "seconds": {name: ran.seconds for name, ran in steps.items()},
        "seconds_of_the_view": round(sum(ran.seconds for ran in steps.values()), 1),
        "cpu_seconds": {name: ran.cpu_seconds for name, ran in steps.items()},
        "peak_mib": {name: ran.peak_mib for name, ran in steps.items()},
        "whole_night": {"seconds": whole.seconds, "steps": whole.result["steps"]},
        "cpus": os.cpu_count(), "load_average": round(os.getloadavg()[1], 1),
    }  # fmt: skip


def say(ran: Ran, name: str) -> None:
    print(f"{name}: {ran.seconds} s, CPU {ran.cpu_seconds} s, {ran.peak_mib} MiB", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
