"""What impressions cost a night: the dbt models they need, in a warehouse with four weeks of events, with and without.

    .venv/bin/python -m benchmarks.impressions [--events 1000000] [--users 2500]

Made-up events of 27 days, six of ten of them impressions of published lists of 20, or views instead. Reported are the
seconds that dbt says each model took on DuckDB, and those of both halves of the project. `int_impression_day` is built
for all days at once: of a night it is a twenty-seventh.
"""

import argparse
import json
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.features import build
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, transaction

NIGHT, DAYS, PLACES = date(2025, 2, 28), 27, 20
MODELS = ("int_impression_day", "int_shown_place", "recommendation_performance")
LISTS = """
insert into scores.recommendations
    (scored_for, user_id, rank, item_id, model_name, model_version, propensity, is_explored)
select date '{first}' + cast(d as integer), 'u' || u, cast(r + 1 as integer), 'i' || ((u * 7 + r * 13 + d) % 5000),
    'blend', 'v1', 1, false
from range({days}) as a(d), range({users}) as b(u), range({places}) as c(r)
"""
EVENTS = """
insert into raw.events (event_date, landing_date, event_id, event_type, occurred_at, user_id, session_id, item_id,
    quantity, unit_price, position, recommendation_id, file, line)
select day, day, 'e' || n, kind, cast(day as timestamptz) + to_seconds(n % 86000), 'u' || u, 's' || u || '-' || d,
    'i' || ((u * 7 + r * 13 + d) % 5000), 1, 2.5, r + 1,
    case when kind = 'impression' then (day - 1) || '/' || (r + 1) || '/user/u' || u end, 'f', n
from (
    select n, n % {days} as d, date '{first}' + 1 + cast(n % {days} as integer) as day, hash(n) % {users} as u,
        cast(hash(n + 1) % {places} as integer) as r,
        case
            when hash(n + 2) % 10 < 6 then '{most}'
            when hash(n + 2) % 10 < 9 then 'view'
            when hash(n + 3) % 2 = 0 then 'add_to_cart' else 'purchase'
        end as kind
    from range({events}) as numbers(n)
)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.impressions", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not used: the events are made up")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=2_500)
    asked = parser.parse_args()
    found = {most: measured(most, asked.events, asked.users) for most in ("view", "impression")}
    print(json.dumps({"events": asked.events, "users": asked.users, "mostly": found}), flush=True)


def measured(most: str, events: int, users: int) -> dict[str, Any]:
    """Seconds by model and half, where most events are views or impressions."""
    with tempfile.TemporaryDirectory(prefix="impressions-") as home:
        settings = Settings(home=Path(home))
        fill(settings, most, events, users)
        seconds: dict[str, Any] = {}
        for half in ("features", "marts"):
            built = build(settings, NIGHT, half, take(settings, half, "warehouse"))
            seconds[half] = built["seconds"]
            results = json.loads((settings.home / "dbt" / "target" / "run_results.json").read_text())["results"]
            for node in results:
                name = node["unique_id"].split(".")[2]
                if node["unique_id"].startswith("model.") and name in MODELS:
                    seconds[name] = round(node["execution_time"], 2)
        with open_warehouse(settings, read_only=True) as connection:
            row = connection.execute(
                "select coalesce(sum(impressions), 0), coalesce(sum(clicks), 0)"
                " from marts.recommendation_performance where segment = 'all'"
            ).fetchone()
        return {**seconds, "impressions": int(row[0]) if row else 0, "clicks": int(row[1]) if row else 0}


def fill(settings: Settings, most: str, events: int, users: int) -> None:
    first = NIGHT - timedelta(DAYS)
    given = {"first": first, "days": DAYS, "users": users, "places": PLACES, "events": events, "most": most}
    with open_warehouse(settings) as connection, transaction(connection):
        connection.execute(LISTS.format(**given))
        connection.execute(EVENTS.format(**given))
        connection.execute("insert into ops.nights (night) select distinct scored_for from scores.recommendations")
        connection.execute("insert into ops.pending_days (event_date) select distinct event_date from raw.events")


if __name__ == "__main__":
    main()
