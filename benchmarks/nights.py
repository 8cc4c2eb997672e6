"""What a night costs as history grows: the same shop after 90 and after 360 days, from landing to what BI reads.

    .venv/bin/python -m benchmarks.nights --data FOLDER_OF_UCI_CSVS

Protocol. The last 28 delivery days of UCI Online Retail are delivered again and again, up to the same date, in two
homes that differ by how long ago the shop opened. So every stretch of 28 days has the same users, items and number of
events, whatever lies before it. `nightmarket history` brings in all but the last days, then each home runs the same
nights by turns with `nightmarket night`, the starter scoring, publish included; which home goes first changes from
night to night, so that what one night leaves behind for the next (caches, heat, neighbours) helps and harms both alike.
`training_days` is what a night reads of history for the models, 180 by default: a young shop has less than that, so
`--training-days 90` (the default here) asks what *history* costs, and 180 what models that see twice the days cost as
well. Reported are medians over the nights, of each night the older home's figure over the younger's, and of these
ratios the median with a 95 % interval by order statistics, which supposes nothing of how they are spread. CPU seconds
say what the work costs where other processes share the cores. Seven nights hold one Sunday, on which more is learned.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import _scaled
from benchmarks._measure import Ran, nightmarket
from pipelines.contracts import EVENTS, PRODUCTS, USERS

LAST = date(2011, 10, 13)
CYCLE = 28
COMPARED = ("seconds", "cpu_seconds", "peak_mib")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.nights", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of UCI Online Retail CSV files, one a day")
    parser.add_argument("--days", type=int, nargs=2, default=[90, 360], help="age of the two shops")
    parser.add_argument("--copies", type=int, default=4, help="of the origin's customers")
    parser.add_argument("--nights", type=int, default=7)
    parser.add_argument("--training-days", type=int, default=90)
    parser.add_argument("--work", type=Path, help="where temporary data goes")
    asked = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="nightmarket-nights-", dir=asked.work)).resolve()
    try:
        origin = _scaled.land_origin(asked.data, work / "origin")
        homes = {days: opened(origin, work / str(days), days, asked) for days in asked.days}
        ran = [
            {days: night(homes[days], day, asked.training_days) for days in order}
            for day, order in turns(asked.nights, asked.days)
        ]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(json.dumps(summary(ran, asked)), flush=True)


def opened(origin: Path, home: Path, days: int, asked: argparse.Namespace) -> Path:
    """A home with all of the shop's days landed and all but the last `--nights` of them in the lake."""
    shop = home / "landing" / _scaled.SOURCE
    shop.mkdir(parents=True)
    shutil.copy(origin / "_source.json", shop)
    events = write_shop(origin, shop, days, asked.copies)
    until = LAST - timedelta(asked.nights)
    ran = nightmarket(home, "history", "--until", str(until), training_days=str(asked.training_days))
    say(f"{days} days, {events:,} events: history in {ran.seconds} s")
    return home


def write_shop(origin: Path, shop: Path, days: int, copies: int) -> int:
    """Landing files of the `days` days up to LAST: the origin's newest deliveries in turn, LAST always the newest one.
    `copies` says how many customers stand for each of the origin's. Returns the number of events.
    """
    delivered = sorted((origin / EVENTS.name).glob("date=*"))[-CYCLE:]
    events = 0
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as bench:
        for back in range(days):
            day, taken = LAST - timedelta(back), delivered[-1 - back % CYCLE]
            for name in (EVENTS.name, PRODUCTS.name, USERS.name):
                held = [str(path) for path in sorted((origin / name / taken.name).glob("*.parquet"))]
                if held:
                    folder = shop / name / f"date={day}"
                    folder.mkdir(parents=True)
                    query = f"copy ({rows_of(name, held, day, copies)}) to '{folder / 'part.parquet'}'"
                    written = bench.execute(query).fetchall()[0][0]
                    events += written if name == EVENTS.name else 0
    return events


def rows_of(name: str, held: list[str], day: date, copies: int) -> str:
    """SQL of what `day` delivers of entity `name`: the rows of the files `held`, for each customer `copies` of them."""
    source = f"read_parquet({held!r}, hive_partitioning = false)"
    if name == PRODUCTS.name:
        return f"select * exclude (line) from {source} where unreadable is null"
    own = "user_id || '-' || copy as user_id"
    if name == EVENTS.name:
        own += f", event_id || '-' || copy || '-{day}' as event_id"
        own += (
            f", session_id || '-' || copy || '-{day}' as session_id, '{day}' || substr(occurred_at, 11) as occurred_at"
        )
    return (
        f"select * exclude (line, copy) replace ({own})"
        f" from {source} cross join range({copies}) as copies(copy) where unreadable is null"
    )


def turns(nights: int, ages: list[int]) -> list[tuple[date, list[int]]]:
    """The nights up to LAST, and in which order the homes run each: the younger first, then the older, by turns."""
    days = [LAST - timedelta(left) for left in reversed(range(nights))]
    return [(day, ages if n % 2 == 0 else ages[::-1]) for n, day in enumerate(days)]


def night(home: Path, day: date, training_days: int) -> Ran:
    ran = nightmarket(home, "night", "--date", str(day), training_days=str(training_days))
    say(f"{home.name} days, night {day}: {ran.seconds} s, CPU {ran.cpu_seconds} s, {ran.peak_mib} MiB")
    return ran


def summary(ran: list[dict[int, Ran]], asked: argparse.Namespace) -> dict[str, Any]:
    young, old = asked.days

    def median(days: int, name: str) -> float:
        return round(statistics.median(getattr(turn[days], name) for turn in ran), 1)

    def nightly(name: str) -> dict[str, dict[str, float]]:
        nights = [str(day) for day, _ in turns(len(ran), asked.days)]
        return {
            day: {f"{days} days": getattr(turn[days], name) for days in asked.days}
            for day, turn in zip(nights, ran, strict=True)
        }

    return {
        "benchmark": "nights", "training_days": asked.training_days, "copies": asked.copies, "nights": asked.nights,
        "models": {f"{days} days": {name: median(days, name) for name in COMPARED} for days in asked.days},
        f"{old} over {young} days": {
            name: grown([getattr(turn[old], name) / getattr(turn[young], name) for turn in ran]) for name in COMPARED
        },
        **{f"{name}_by_night": nightly(name) for name in COMPARED[:2]},
        "seconds_by_step": steps(ran, asked.days),
        "cpus": os.cpu_count(), "load_average": round(os.getloadavg()[1], 1),
    }  # fmt: skip


def grown(ratios: list[float]) -> dict[str, Any]:
    """The ratios in the order of the nights, their median, and its 95 % interval."""
    return {
        "median": round(statistics.median(ratios), 3),
        "interval": [round(end, 3) for end in median_interval(ratios)],
        "pairs": [round(ratio, 3) for ratio in ratios],
    }


def median_interval(values: list[float]) -> tuple[float, float]:
    """The narrowest pair of order statistics, equally far from both ends, that holds the median with at least 95 %.

    The median lies outside the k-th smallest and k-th largest of n with probability 2 · P(Binomial(n, ½) < k) at most
    (the sign test turned round). With five values or fewer no pair holds that much: these are the smallest and the
    largest, which hold it with 1 − 2^(1−n).
    """
    ordered, n = sorted(values), len(values)
    k, outside = 1, 2 / 2**n
    while (outside := outside + 2 * math.comb(n, k) / 2**n) <= 0.05:
        k += 1
    return ordered[k - 1], ordered[n - k]


def steps(ran: list[dict[int, Ran]], ages: list[int]) -> dict[str, dict[str, float]]:
    """Of each step of a night, the median seconds in each home."""
    names = ran[0][ages[0]].result["steps"]
    return {
        name: {
            f"{days} days": round(statistics.median(turn[days].result["steps"][name]["seconds"] for turn in ran), 2)
            for days in ages
        }
        for name in names
    }


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
