"""Small made-up shops for the tests of learning and scoring."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.interactions import Interactions
from models.recommender.content import Products, describe

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


def said(titles: Sequence[str | None], **more: Sequence) -> sparse.csr_array:
    """What products say that have these titles and, by name, other statements."""
    nothing = [None] * len(titles)
    columns = {name: pa.array(more.get(name, nothing), pa.string()) for name in ("brand", "category_path")}
    attributes = pa.array(more.get("attributes", nothing), pa.map_(pa.string(), pa.string()))
    price = np.array(more.get("price", [np.nan] * len(titles)), dtype=np.float64)
    return describe(Products(pa.array(titles, pa.string()), **columns, attributes=attributes, price=price))


def described(data: Interactions) -> Interactions:
    """With products of three colours, in the order of their ids."""
    colours = ("red", "blue", "green")
    return replace(data, content=said([f"thing {colours[n % 3]}" for n in range(len(data.items))]))
