"""What a night costs as history grows: the same shop, the same night, after 90 and after 360 days.

The shop is made of a real one's last weeks, again and again, so that every stretch of `CYCLE` days has the same users,
items and events, whatever lies before it.
"""

from datetime import date, timedelta
from pathlib import Path

import duckdb

from pipelines.contracts import EVENTS

NIGHT = date(2011, 10, 13)
CYCLE = 28
"""Delivery days of the origin that are repeated."""


def write_shop(origin: Path, shop: Path, days: int, copies: int) -> None:
    """Landing files of the `days` days before NIGHT and of NIGHT itself: events, and the products and users that the
    origin delivered with them. `copies` says how many times the origin's customers there are.
    """
    delivered = sorted((origin / EVENTS.name).glob("date=*"))[-CYCLE:]
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as bench:
        for number in range(days + 1):
            day, taken = NIGHT - timedelta(days - number), delivered[(number - days) % CYCLE]
            for name in (EVENTS.name, "products", "users"):
                held = list((origin / name / taken.name).glob("*.parquet"))
                if held:
                    folder = shop / name / f"date={day}"
                    folder.mkdir(parents=True)
                    bench.execute(f"copy ({_rows(name, held, day, copies)}) to '{folder / 'a.parquet'}'")


def _rows(name: str, held: list[Path], day: date, copies: int) -> str:
    source = f"read_parquet({[str(path) for path in held]!r}, hive_partitioning = false)"
    many = f"{source} cross join range({copies}) as copies(copy)"
    if name == "products":
        return f"select * exclude (line) from {source}"
    own = "user_id || '-' || copy as user_id"
    if name == EVENTS.name:
        own += f", event_id || '-' || copy || '-{day}' as event_id, session_id || '-' || copy as session_id"
        own += f", '{day}' || substr(occurred_at, 11) as occurred_at"
    return f"select * exclude (line, copy) replace ({own}) from {many} where unreadable is null"
