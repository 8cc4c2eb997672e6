"""Small made-up shops for the tests of learning and scoring."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("user_id", pa.string()), ("item_id", pa.string()), ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("event_date", pa.date32()), ("event_type", pa.string()),
    ]
)  # fmt: skip
MONDAY = date(2024, 5, 6)


def table(rows: Sequence[tuple], first: date = MONDAY) -> pa.Table:
    """Rows (user, item, day number counted from `first`, event type = purchase, hour = 12)."""
    entries = []
    for user, item, day, *rest in rows:
        kind, hour = (*rest, *("purchase", 12)[len(rest) :])
        at = datetime.combine(first, datetime.min.time(), UTC) + timedelta(days=day, hours=hour)
        entries.append(
            {"user_id": user, "item_id": item, "occurred_at": at, "event_date": at.date(), "event_type": kind}
        )
    return pa.Table.from_pylist(entries, schema=SCHEMA)


def random_rows(seed: int, users: int = 8, items: int = 7, events: int = 60, days: int = 20) -> list[tuple]:
    """Events of every type; several fall on the same moment, so that ties are met."""
    draw = np.random.default_rng(seed)
    kinds = ("view", "add_to_cart", "purchase", "purchase")
    return [
        (f"u{draw.integers(users)}", f"i{draw.integers(items)}", int(draw.integers(days)), kinds[draw.integers(4)], 12)
        for _ in range(events)
    ]


def seasonal_rows(users: int, items: int, days: int, seed: int = 7) -> list[tuple]:
    """Purchases of people with favourites: each buys three items again and again, and now and then another."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        favourites = draw.choice(items, 3, replace=False)
        for day in sorted(draw.choice(days, days // 4, replace=False)):
            item = draw.choice(favourites) if draw.random() < 0.7 else draw.integers(items)
            rows.append((f"u{user:03d}", f"i{item:03d}", int(day)))
    return rows
