"""Numbers of a small shop, computed by hand, through the whole project. D is 10 January 2024."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from pipelines.experiments import _users
from pipelines.features import PROJECT, build, connection_environment, target_name
from pipelines.fence import take
from pipelines.off_policy import _impressions
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, transaction
from tests.dbt.warehouse_rows import DAY, event, load, product, query

D = DAY[9]
OLD = date(2022, 12, 31)
EVENTS = [
    # u buys cup x2 (one with a coupon) and pan on the 10th, pays postage, has viewed the cup
    event(D, "view", user_id="u", session_id="u10", item_id="cup"),
    event(D, "purchase", user_id="u", session_id="u10", item_id="cup", quantity=2, unit_price=1.5, promotion_id="c"),
    event(D, "purchase", user_id="u", session_id="u10", item_id="pan", quantity=1, unit_price=10),
    event(D, "purchase", user_id="u", session_id="u10", charge_code="POST", quantity=1, unit_price=4.99),
    # what u bought came of two places of the list of the 9th; nobody knows the third yet
    event(D, "impression", user_id="u", session_id="u10", item_id="pan", recommendation_id="2024-01-09/1/user/u"),
    event(D, "impression", session_id="u10", item_id="pan", position=2, recommendation_id="2024-01-09/1/user/u"),
    event(D, "impression", DAY[10], user_id="u", item_id="pan", recommendation_id="2024-01-09/1/user/u"),
    event(D, "impression", user_id="u", item_id="pan", recommendation_id="2024-01-10/1/user/v"),
    # u returned a cup on the 8th; that row came two days late
    event(DAY[7], "return", D, user_id="u", session_id="u8", item_id="cup", quantity=1, unit_price=1.5),
    # v bought the cup on the 8th, in time, but for one of three pieces, which came a day later; somebody unknown bought
    # the pan
    event(DAY[7], "purchase", user_id="v", session_id="v8", item_id="cup", quantity=2, unit_price=2),
    event(DAY[7], "purchase", DAY[8], user_id="v", session_id="v8", item_id="cup", quantity=1, unit_price=2),
    # and once before, so long ago that no window holds it: v is no new customer
    event(OLD, "purchase", user_id="v", session_id="v0", item_id="old", quantity=1, unit_price=1),
    event(DAY[7], "purchase", session_id="x8", item_id="pan", quantity=1, unit_price=11),
    # not yet known: a row of the 10th that comes on the 11th, and the 11th itself
    event(D, "purchase", DAY[10], user_id="v", session_id="v10", item_id="pan", quantity=7, unit_price=7),
    event(DAY[10], "purchase", user_id="w", session_id="w11", item_id="cup", quantity=7, unit_price=7),
]
PRODUCTS = [
    product(DAY[0], "cup", title="Cup", category_path="home > kitchen", price=2),
    product(DAY[4], "cup", title="Cup", category_path="home > kitchen", price=1.5),
    product(DAY[10], "cup", title="Mug", category_path="garden", price=9),
]


@pytest.fixture(scope="module")
def shop(new_home: Callable[[], Settings]) -> Settings:
    settings = new_home()
    load(settings, EVENTS, PRODUCTS)
    with open_warehouse(settings) as connection, transaction(connection):
        connection.execute("insert into ops.nights (night) values ('2024-01-09'), ('2024-01-10')")
        for night in ("2024-01-09", "2024-01-10"):
            connection.execute(
                f"insert into scores.recommendations select date '{night}', 'u', 1, 'pan', 0.5, 'popular', null,"
                f" 'popular this week', 'pans first', 'popular_7_days', 'v1', 'run-{night}',"
                f" timestamptz '{night} 02:00:00+00', null, null"  # as rows are that an older contract wrote
            )
            connection.execute(
                "insert into scores.rule_effects (scored_for, rule, kind, state, lists) values (?, ?, 'pin', ?, 1)",
                [night, f"rule of {night}", "applied"],
            )
        connection.execute(
            "insert into ops.landing_files values ('2024-01-10', 'events', 'a.csv', 10, 7, 2, 1, 99, null)"
        )
        # the cup's one review was good until it was corrected; tomorrow it will be good again
        for item, review, delivered, rating, said in (
            ("cup", "r1", DAY[7], 5, "positive"), ("cup", "r1", DAY[8], 2, "negative"),
            ("cup", "r1", DAY[10], 5, "positive"), ("pan", "r2", DAY[7], 4, "positive"),
        ):  # fmt: skip
            connection.execute(
                "insert into scores.review_texts (landing_date, review_id, item_id, created_at, rating, sentiment)"
                " values (?, ?, ?, timestamptz '2024-01-08 12:00:00+00', ?, ?)",
                [delivered, review, item, rating, said],
            )
        connection.execute("insert into ops.masked_counts values ('2024-01-10', 'reviews', 'email', 2, 3)")
        connection.execute("insert into ops.audit_results (night, suite, expectation, success) values"
                           " ('2024-01-08..2024-01-10', 'events', 'event_id is unique', true)")  # fmt: skip
        connection.execute(
            "insert into scores.duplicate_products (item_id, duplicate_item_id, similarity, title_overlap)"
            " values ('cup', 'pan', 0.98765, 1)"
        )
        connection.execute("insert into ops.runs (night, step, status) values ('2024-01-10', 'load', 'done')")
        for night, alarm in ((OLD, True), (DAY[8], True), (D, False), (DAY[10], True)):
            connection.execute(
                "insert into ops.monitor (night, area, name, part, value, alarm)"
                " values (?, 'inputs', 'rows', '', 5, ?)",
                [night, alarm],
            )
    built = build(settings, D, "features", take(settings, "features", "warehouse"))
    assert (built["pending_days"], built["models"] > 10, built["tests"] > 20) == (4, True, True)
    build(settings, D, "marts", take(settings, "marts", "warehouse"))
    return settings


def test_user_features(shop: Settings) -> None:
    found = query(
        shop,
        "select user_id, recency_days, orders_28d, revenue_28d, sessions_28d, items_365d, categories_365d,"
        " average_unit_price_365d, discount_share_365d, return_share_365d from features.user_features order by 1",
    )
    assert found == [
        # revenue: 2*1.50 + 10 + postage 4.99 - 1.50; cup is 'home', pan has no product row; price level 13 / 3
        ("u", 0, 1, Decimal("16.49"), 2, 2, 2, 13 / 3, 1 / 2, 1 / 3),
        ("v", 2, 1, Decimal("6.00"), 1, 1, 1, 2.0, 0.0, 0.0),
    ]


def test_item_features(shop: Settings) -> None:
    found = query(
        shop,
        "select item_id, category, list_price, popularity_1d, popularity_7d, trend_7d, buyers_365d, repeat_rate_365d,"
        " returned_units_28d from features.item_features order by 1",
    )
    assert found == [
        ("cup", "home", Decimal("1.5"), 1, 2, 4.0, 2, 0.0, 1),
        ("pan", "unknown", None, 1, 2, 4.0, 1, 0.0, 0),
    ]


def test_what_reviews_say_of_an_item_as_of_the_night(shop: Settings) -> None:
    found = query(
        shop,
        "select item_id, reviews, reviews_28d, mean_rating, positive_share, rating_trend_28d"
        " from features.item_features order by 1",
    )
    # the shop's share is 1 of 2: (0 + 10 / 2) / (1 + 10) and (1 + 10 / 2) / (1 + 10)
    assert found == [("cup", 1, 1, 2.0, 5 / 11, 0.0), ("pan", 1, 1, 4.0, 6 / 11, 0.0)]


def test_cooccurrence(shop: Settings) -> None:
    # three sessions bought something: {cup, pan}, {cup}, {pan}; lift = 1 * 3 / (2 * 2)
    found = query(
        shop, "select item_id, partner_item_id, support, confidence, lift from features.item_cooccurrence order by 1"
    )
    assert found == [("cup", "pan", 1 / 3, 1 / 2, 3 / 4), ("pan", "cup", 1 / 3, 1 / 2, 3 / 4)]


def test_product_history_knows_no_later_title(shop: Settings) -> None:
    found = query(shop, "select valid_from, valid_to, title, is_current from features.product_history order by 1")
    assert found == [(DAY[0], DAY[4], "Cup", False), (DAY[4], None, "Cup", True)]


def test_daily_kpis(shop: Settings) -> None:
    found = query(
        shop,
        "select event_date, revenue, orders, customers, new_customers, units, returned_units, average_order_value,"
        " anonymous_order_share from marts.daily_kpis order by 1",
    )
    assert found == [
        (DAY[7], Decimal("15.50"), 2, 1, 0, 4, 1, 17 / 2, 1 / 2),
        (D, Decimal("17.99"), 1, 1, 1, 3, 0, 13.0, 0.0),
    ]


def test_funnel_has_no_step_that_the_shop_never_logs(shop: Settings) -> None:
    found = query(
        shop,
        "select event_date, sessions, sessions_with_view, sessions_with_cart, sessions_with_purchase, purchase_per_cart"
        " from marts.funnel order by 1",
    )
    assert found == [(DAY[7], 3, 0, None, 2, None), (D, 1, 1, None, 1, None)]


def test_recommendations_are_the_newest_night_and_history_keeps_both(shop: Settings) -> None:
    assert query(shop, "select scored_for, user_id, rank, title, reason from marts.recommendations") == [
        (D, "u", 1, "pan", "popular this week")
    ]
    assert query(shop, "select scored_for from marts.recommendation_history order by 1") == [(DAY[8],), (D,)]
    for mart in ("recommendations", "recommendation_history"):
        assert query(shop, f"select distinct rule from marts.{mart}") == [("pans first",)]


def test_rule_effects_are_those_of_the_newest_night(shop: Settings) -> None:
    assert query(shop, "select scored_for, rule, state, lists from marts.rule_effects") == [
        (D, "rule of 2024-01-10", "applied", 1)
    ]


def test_what_came_back_of_the_lists_that_were_shown(shop: Settings) -> None:
    ids = "select recommendation_id, propensity, is_explored from marts.recommendations"
    assert query(shop, ids) == [("2024-01-10/1/user/u", 1.0, False)]
    found = query(
        shop,
        "select scored_for, model_version, segment, position, impressions, clicks, purchases, revenue, conversion"
        " from marts.recommendation_performance order by 3, 4",
    )
    first, second = (1, 1, 0, 1, Decimal("10.00"), 1.0), (2, 1, 0, 0, Decimal("0.00"), 0.0)
    assert found == [(DAY[8], "v1", segment, *row) for segment in ("all", "new") for row in (first, second)]


def test_gate_and_experiment_read_of_either_warehouse_what_came_back(shop: Settings) -> None:
    shown = _impressions(shop, DAY[7]).drop_columns("model_version").to_pylist()
    place = {"scored_for": DAY[8], "listed_owner": "u", "rank": 1, "propensity": 1.0, "clicks": 0}
    assert sorted(shown, key=lambda row: row["position"]) == [{**place, "position": 1}, {**place, "position": 2}]
    assert len(_impressions(shop, DAY[8])) == 0
    running = replace(shop, experiment="either", experiment_from=str(DAY[8]))
    with open_warehouse(shop) as connection:
        found = _users(running, connection, D)
    assert found is not None
    assert {name: values.tolist() for name, values in found.values.items()} == {
        "impressions": [2], "clicks": [0], "purchases": [2], "revenue": [17.99]
    }  # fmt: skip


def test_segments(shop: Settings) -> None:
    found = query(shop, "select user_id, segment, recency_score, frequency_score, monetary_score"
                        " from marts.customer_segments order by 1")  # fmt: skip
    # two customers: the better one of a measure is in the third quintile, equals share the first
    assert found == [("u", "new", 3, 1, 3), ("v", "sleeping", 1, 1, 1)]


def test_data_quality_and_runs(shop: Settings) -> None:
    found = query(shop, "select check_date, check_kind, subject, is_passed, detail from marts.data_quality order by 2")
    assert found == [
        (D, "audit", "events 2024-01-08..2024-01-10", True, None),
        (D, "conservation", "events/a.csv", True, None),
        (D, "duplicate", "cup/pan", False, "similarity 0.988"),
        (D, "masking", "reviews", True, "masked in 3 places"),
    ]
    assert query(shop, "select night, step, status, is_closed from marts.night_runs") == [
        ("2024-01-10", "load", "done", False)
    ]


def test_what_was_measured_is_shown_of_the_nights_that_bi_keeps(shop: Settings) -> None:
    found = query(shop, "select as_of, night, area, name, value, is_alarm from marts.night_monitor order by night")
    assert found == [(D, DAY[8], "inputs", "rows", 5.0, True), (D, D, "inputs", "rows", 5.0, False)]


def test_every_unit_test_of_the_models_passes(shop: Settings) -> None:
    project = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", target_name(shop)]
    places = ["--target-path", str(shop.home / "dbt" / "target"), "--log-path", str(shop.home / "dbt" / "logs")]
    dbt = str(Path(sys.executable).with_name("dbt"))
    command = [dbt, "--no-use-colors", "test", "--select", "test_type:unit", *project, *places]
    environment = {**os.environ, **connection_environment(shop), "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.findall(r"PASS=(\d+)", done.stdout)[0]) >= 18


def test_every_mart_and_column_is_in_the_data_dictionary(shop: Settings) -> None:
    text = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    columns = query(shop, "select table_name, column_name from information_schema.columns where table_schema = 'marts'")
    missing = [f"{mart}.{name}" for mart, name in columns if f"\n| `{name}` |" not in sections.get(mart, "")]
    assert len(columns) > 100
    assert missing == []


def test_every_example_of_the_data_dictionary_runs(shop: Settings) -> None:
    text = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
    examples = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    for example in examples:
        query(shop, example)
    models = yaml.safe_load((PROJECT / "models" / "marts" / "_marts.yml").read_text())["models"]
    assert len(examples) == len(models)


def test_a_window_names_its_days_before_anything_is_read(shop: Settings) -> None:
    """A date that is joined is known only while all of history is read."""
    compiled = shop.home / "dbt" / "target" / "compiled" / "nightmarket" / "models"
    sql = " ".join((compiled / "intermediate" / "int_shown_place.sql").read_text().split())
    assert sql.count(f"day_facts.event_date > cast('{D}' as date) - 28") == 2
    assert "stg_as_of" not in sql
