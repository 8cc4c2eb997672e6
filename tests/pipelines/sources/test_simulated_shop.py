"""The simulated shop: what lands from it, day by day."""

import datetime as dt
import itertools
import json
import re
from collections import defaultdict
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from small_shop import DAYS, LAST, START, Rows, write

from pipelines import land, landing
from pipelines.contracts import ENTITIES
from pipelines.errors import UsageError
from pipelines.settings import Batch, Settings


def files_of(settings: Settings, path: Path, ranges: list[tuple[dt.date | None, dt.date | None]]) -> set[str]:
    """Names of all landing files; a name ends in the digest of the content."""
    for first, last in ranges:
        land.land(settings, "simulated_shop", path, first, last)
    return {p.relative_to(settings.landing).as_posix() for p in settings.landing.glob("*/*/*/*.parquet")}


def test_every_entity_lands_and_events_land_every_day(shop_rows: Rows) -> None:
    days = {entity: {row["day"] for row in shop_rows(entity)} for entity in ENTITIES}
    assert all(days.values())
    assert len(days["events"]) == DAYS


@given(st.permutations([0, 1, 2, 3]), st.integers(0, DAYS - 4))
@hypothesis_settings(max_examples=3, deadline=None)
def test_any_order_of_days_gives_the_same_files(
    small_home: Settings, tmp_path_factory: pytest.TempPathFactory, order: list[int], first: int
) -> None:
    other = Settings(home=tmp_path_factory.mktemp("again"), shop="shop")
    days = [START + dt.timedelta(first + n) for n in order]
    found = files_of(other, write(other.home), [(day, day) for day in days])
    wanted = {f"date={day}" for day in days}
    assert found == {name for name in files_of(small_home, write(small_home.home), []) if name.split("/")[2] in wanted}
    for path in (other.home / "truth").glob("**/*.parquet"):
        assert path.read_bytes() == (small_home.home / path.relative_to(other.home)).read_bytes()


def test_another_seed_is_another_shop(small_home: Settings, tmp_path: Path) -> None:
    other = Settings(home=tmp_path, shop="shop")
    found = files_of(other, write(tmp_path, seed=8), [(START, START)])
    before = files_of(small_home, write(small_home.home), [])
    assert found and not {n for n in found if "/events/" in n or "/products/" in n} & before


def test_a_longer_range_asks_for_nothing_that_the_shop_has_not(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, shop="shop")
    land.land(settings, "simulated_shop", write(tmp_path, days=2), None, START + dt.timedelta(400))
    assert landing.landed_dates(settings) == (START, START + dt.timedelta(1))


@pytest.mark.parametrize(("share", "language", "strange"), [(0, "en", "[一-鿿]"), (1, "zh", "[a-z] [a-z]")])
def test_the_smallest_shop_speaks_one_language(tmp_path: Path, share: int, language: str, strange: str) -> None:
    settings = Settings(home=tmp_path, shop="shop")
    path = write(tmp_path, users=1, products=24, days=9, chinese_share=share)
    counts = land.land(settings, "simulated_shop", path, None, None)["rows"]
    assert counts["users"] == 1 and counts["events"] > 0
    for file in landing.landing_files(settings, Batch(START, LAST), "products"):
        for product in pq.read_table(file.path).to_pylist():
            assert not re.search(strange, product["title"] + product["description"])
    (user,) = pq.read_table(next(settings.landing.glob("shop/users/*/*.parquet"))).to_pylist()
    assert json.loads(user["attributes"])["language"] == language


def test_what_happens_in_a_session_follows_in_order(shop_rows: Rows) -> None:
    sessions: dict[str, list[dict]] = defaultdict(list)
    for event in shop_rows("events"):
        if event["session_id"]:
            sessions[event["session_id"]].append(event)
    for events in sessions.values():
        of = defaultdict(list)
        for e in events:
            of[e["event_type"]].append(e)
        shown = {e["item_id"] for e in of["impression"]}
        assert [int(e["position"]) for e in of["impression"]] == list(range(1, len(of["impression"]) + 1))
        assert len(shown) == len(of["impression"])
        carted = {e["item_id"] for e in of["add_to_cart"]}
        bought = {e["item_id"] for e in of["purchase"]}
        assert shown >= {e["item_id"] for e in of["view"]} >= carted >= bought
        assert not bought & {e["item_id"] for e in of["remove_from_cart"]}
        assert len(of["search"]) == (of["impression"][0]["surface"] == "search")
        assert {e["occurred_at"][:10] for e in events} == {str(events[0]["day"])}
        assert len({e["user_id"] for e in events}) == 1
        redeemed = {e["promotion_id"] for e in of["coupon_redeem"]}
        assert redeemed == {e["promotion_id"] for e in of["purchase"]} - {None}


def test_only_what_is_on_sale_and_in_stock_is_shown(shop_rows: Rows) -> None:
    known: dict[str, dict] = {}
    events = sorted(shop_rows("events"), key=lambda e: e["day"])
    products = defaultdict(list)
    for product in shop_rows("products"):
        products[product["day"]].append(product)
    sold_out = 0
    for day, shown in itertools.groupby(events, key=lambda e: e["day"]):
        known |= {p["item_id"]: p for p in products[day]}
        gone = {
            p["item_id"]
            for p in known.values()
            if json.loads(p["attributes"])["stock"] == "0"
            or not p["available_from"] <= str(day) <= (p["available_to"] or "9999")
        }
        sold_out += len(gone)
        for e in shown:
            if e["event_type"] == "impression":
                assert e["item_id"] in known and e["item_id"] not in gone
            if e["event_type"] == "purchase" and not e["promotion_id"]:
                assert e["unit_price"] == known[e["item_id"]]["price"]
    assert sold_out > 50


def test_returns_ratings_and_reviews_follow_a_purchase(shop_rows: Rows) -> None:
    bought: dict[tuple, dt.date] = {}
    for e in shop_rows("events"):
        if e["event_type"] == "purchase" and e["user_id"]:
            key = (e["user_id"], e["item_id"])
            bought[key] = min(bought.get(key, e["day"]), e["day"])
    after = [e for e in shop_rows("events") if e["event_type"] in ("return", "rating") and e["user_id"]]
    assert {e["event_type"] for e in after} == {"return", "rating"}
    for row in [*after, *shop_rows("reviews")]:
        assert bought[(row["user_id"], row["item_id"])] < row["day"]


def test_campaigns_reach_those_the_truth_calls_treated(shop_rows: Rows, shop_truth: Rows) -> None:
    sent = {(c["campaign_id"], c["user_id"]) for c in shop_rows("campaigns")}
    facts = shop_truth("campaigns")
    assert sent == {(c["campaign_id"], c["user_id"]) for c in facts if c["treated"]}
    assert 0.4 < len(sent) / len(facts) < 0.6
    coupons = {(c["coupon_id"], c["item_id"]): c["campaign_id"] for c in shop_rows("coupons")}
    redeemed = [e for e in shop_rows("events") if e["event_type"] == "purchase" and e["promotion_id"]]
    assert redeemed
    assert all((coupons[(e["promotion_id"], e["item_id"])], e["user_id"]) in sent for e in redeemed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 0}, "users must be a whole number from 1"),
        ({"products": "many"}, "products must be a whole number from 24"),
        ({"start": "soon"}, "start must be a date"),
        ({"chinese_share": 1.5}, "chinese_share must be a number from 0 to 1"),
        ({"truth": ""}, "truth must name a folder"),
        ({"colour": 1}, "unknown key colour"),
        ({"truth": "landing/shop/truth"}, "lies in a landing folder"),
    ],
)
def test_wrong_settings_name_their_key(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        land.land(Settings(home=tmp_path, shop="shop"), "simulated_shop", write(tmp_path, **changes), START, START)


def test_without_a_file_the_defaults_hold_and_no_truth_is_kept(tmp_path: Path) -> None:
    land.land(Settings(home=tmp_path, shop="shop"), "simulated_shop", None, START, START)
    found = duckdb.sql(f"select count(*) from read_parquet('{tmp_path}/landing/shop/products/*/*.parquet')").fetchall()
    assert found[0][0] > 200  # of 300, those announced by the first day
    assert not list(tmp_path.rglob("*truth*"))


def test_no_step_can_know_the_truth() -> None:
    root = Path(__file__).parents[3]
    allowed = {root / "pipelines" / "sources" / "simulated_shop.py"}
    readers = [
        path
        for folder in ("pipelines", "models", "dags", "dbt_project")
        for path in (root / folder).rglob("*.py")
        if "_shop" not in path.parts and "sources._shop" in path.read_text()
    ]
    assert set(readers) == allowed
