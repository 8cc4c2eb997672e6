"""Which nights' scores BI may see: published ones only, as they were scored last."""

from collections.abc import Callable
from datetime import date

import pytest

from pipelines.contracts import SCORE_TABLES, SCORES_PROPENSITY
from pipelines.features import build
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, transaction
from tests.dbt.warehouse_rows import DAY, event, load, query

MARTS = ("recommendations", "visitor_recommendations", "similar_items", "next_basket", "customer_propensity")
LISTS = [table for table in SCORE_TABLES if "rank" in table.names]


def scored(settings: Settings, night: date, item: str) -> None:
    """One row in each table of lists, as `score` replaces them; the item is also the run's id."""
    with open_warehouse(settings) as connection, transaction(connection):
        for table in LISTS:
            connection.execute(f"delete from {table.name} where scored_for = ?", [night])
            names = ", ".join(table.names[:4])
            values = [{"date": night, "integer": 1}.get(kind, item) for _, kind in table.columns[:4]]
            connection.execute(f"insert into {table.name} ({names}, run_id) values (?, ?, ?, ?, ?)", [*values, item])
        connection.execute(f"delete from {SCORES_PROPENSITY.name} where scored_for = ?", [night])
        connection.execute(
            f"insert into {SCORES_PROPENSITY.name} (scored_for, user_id, horizon_days, run_id) values (?, ?, 7, ?)",
            [night, item, item],
        )


def published(settings: Settings, night: date) -> None:
    with open_warehouse(settings) as connection, transaction(connection):
        connection.execute("insert into ops.nights (night) values (?)", [night])


def shown(settings: Settings, as_of: date) -> tuple[set[date], list[tuple]]:
    """Build the marts; the night that the newest lists are of, and the history's nights with their items."""
    build(settings, as_of, "marts", take(settings, "publish", "bi"))
    newest = set()
    for mart in MARTS:
        newest |= {row[0] for row in query(settings, f"select scored_for from marts.{mart}")}
    return newest, query(settings, "select scored_for, item_id from marts.recommendation_history order by 1, 2")


@pytest.fixture
def shop(new_home: Callable[[], Settings]) -> Settings:
    settings = new_home()
    load(settings, [event(DAY[0], "purchase", user_id="u", session_id="s", item_id="a", quantity=1, unit_price=1)], [])
    build(settings, DAY[3], "features", take(settings, "features", "warehouse"))
    return settings


def test_only_published_nights_show_their_scores_and_as_they_were_scored_last(shop: Settings) -> None:
    scored(shop, DAY[1], "tuesday")
    scored(shop, DAY[2], "unaudited")
    scored(shop, DAY[3], "thursday")
    published(shop, DAY[1])
    published(shop, DAY[3])
    assert shown(shop, DAY[3]) == ({DAY[3]}, [(DAY[1], "tuesday"), (DAY[3], "thursday")])

    scored(shop, DAY[1], "again")
    published(shop, DAY[2])
    refuse(shop, DAY[3])
    assert shown(shop, DAY[3]) == ({DAY[2]}, [(DAY[1], "again"), (DAY[2], "unaudited")])


def refuse(settings: Settings, night: date) -> None:
    """The night was scored again, and the audit of its scores has failed."""
    with open_warehouse(settings) as connection, transaction(connection):
        connection.execute(
            "insert into ops.audit_results (night, suite, expectation, severity, success)"
            " values (?, 'scores', 'ranks are whole', 'critical', false)",
            [str(night)],
        )
