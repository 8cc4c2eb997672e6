"""A small shop of five weeks in lake and warehouse, with the tables that dbt would make, by hand."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from pipelines import built
from pipelines.contracts import OPS_NIGHTS
from pipelines.fence import take
from pipelines.load import load
from pipelines.settings import Settings, night
from pipelines.warehouse import open_warehouse, upsert
from tests.pipelines.learning import commit

FIRST = date(2024, 1, 1)
NIGHT = FIRST + timedelta(35)
USERS, ITEMS = 150, 30


def open_shop(home: Path, times: int = 1, unknown: float = 0.0) -> Settings:
    """A home of its own, filled, and as dbt would leave it on `NIGHT`."""
    settings = Settings(home=home)
    fill(settings, times, unknown)
    build(settings, NIGHT)
    return settings


def fill(settings: Settings, times: int = 1, unknown: float = 0.0) -> None:
    """Everybody buys two lines a day; tonight `times` the pieces, and no price of `unknown` of the lines."""
    draw = np.random.default_rng(5)
    rows = []
    for back in range(36):
        day = NIGHT - timedelta(back)
        for line in range(2 * USERS):
            pieces = int(draw.integers(1, 9)) * (times if day == NIGHT else 1)
            priced = day != NIGHT or draw.random() >= unknown
            rows.append({
                "event_id": f"{day}-{line}", "event_date": day, "landing_date": day, "event_type": "purchase",
                "occurred_at": datetime.combine(day, time(int(draw.integers(8, 20))), UTC), "file": "f", "line": line,
                "user_id": f"u{line // 2:03d}", "session_id": f"{day}-{line // 2}", "is_duplicate": False,
                "item_id": f"i{int(draw.integers(ITEMS)):02d}", "quantity": pieces,
                "unit_price": Decimal(f"{draw.uniform(1, 9):.2f}") if priced else None,
            })  # fmt: skip
    commit(settings, "events", rows)
    load(settings, night(NIGHT), take(settings, "load", "warehouse"))
    with open_warehouse(settings) as connection:
        upsert(connection, OPS_NIGHTS, [{"night": day} for day in (NIGHT - timedelta(7), NIGHT)])


def build(settings: Settings, day: date) -> None:
    """What monitoring reads of dbt's tables, as of `day`."""
    known = (
        f"from raw.events where event_date <= date '{day}' and event_date > date '{day - timedelta(28)}' group by all"
    )
    of_night = f"select date '{day}' as as_of"
    with open_warehouse(settings) as connection:
        connection.execute("create schema if not exists intermediate")
        for name, sql in {
            "intermediate.int_user_item_day": "select event_date, landing_date, user_id, item_id, count(*) as"
            " purchased_lines from raw.events group by all",
            "features.item_features": f"{of_night}, item_id, 'c' || substr(item_id, 2, 1) as category,"
            f" count(*) as popularity_28d {known}",
            "features.user_features": f"{of_night}, user_id, count(*) as orders_28d, cast(sum(quantity * unit_price)"
            f" as decimal(18, 2)) as revenue_28d {known}",
        }.items():
            connection.execute(f"create or replace table {name} as {sql}")
        connection.execute("delete from scores.recommendations where scored_for = ?", [day])
        connection.execute(
            "insert into scores.recommendations (scored_for, user_id, rank, item_id, score, model_name)"
            " select cast(? as date), 'u' || lpad(cast(u as text), 3, '0'), r, 'i' || lpad(cast(r * 3 - 3 as text), 2,"
            f" '0'), 1.0 / r + u / 1000.0, 'blend' from range({USERS}) as users(u), range(1, 6) as ranks(r)",
            [day],
        )
    built.keep(settings, "features", day, built.inputs(settings, "features"))
