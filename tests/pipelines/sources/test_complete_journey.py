"""The real package, two days of it; expected numbers are recounted from the package's own tables."""

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines import land, landing
from pipelines.settings import Batch, Settings
from pipelines.sources import complete_journey

FIRST, SECOND = dt.date(2017, 1, 1), dt.date(2017, 1, 2)


def table(name: str) -> list[dict]:
    return pq.read_table(complete_journey._data_folder() / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[dict]]:
    settings = Settings(home=tmp_path_factory.mktemp("journey"), shop="grocer")
    land.land(settings, "complete_journey", None, FIRST, SECOND)

    def rows(entity: str) -> list[dict]:
        files = landing.landing_files(settings, Batch(FIRST, SECOND), entity)
        return [row | {"day": f.landing_date} for f in files for row in pq.read_table(f.path).to_pylist()]

    return rows


@pytest.fixture(scope="module")
def lines() -> list[dict]:
    """The package's transactions of the two days."""
    every = pq.read_table(complete_journey._data_folder() / "transactions.parquet")
    days = pc.cast(every["transaction_timestamp"], "date32")
    return every.filter(pc.less_equal(days, SECOND)).to_pylist()


def test_every_transaction_is_a_purchase_at_its_exact_amount(two_days: Callable, lines: list[dict]) -> None:
    events = {e["line"]: e for e in two_days("events") if e["event_type"] == "purchase"}
    assert len(lines) == len(events) > 7000
    for number, line in enumerate(lines, start=1):
        event = events[number]
        amount = int(event["quantity"]) * Decimal(event["unit_price"])
        assert round(amount, 2) == Decimal(str(round(line["sales_value"], 2)))
        assert (event["user_id"], event["session_id"]) == (str(line["household_id"]), str(line["basket_id"]))
        assert event["occurred_at"] == f"{line['transaction_timestamp']:%Y-%m-%dT%H:%M:%SZ}"
        expected = "coupon" if line["coupon_disc"] > 0 else "loyalty_discount" if line["retail_disc"] > 0 else None
        assert event["promotion_id"] == expected


def test_lines_without_a_product_are_charges_of_one_piece(two_days: Callable, lines: list[dict]) -> None:
    products = {p["product_id"]: p for p in table("products")}
    charges = {e["line"]: e for e in two_days("events") if e["charge_code"]}
    assert {e["charge_code"] for e in charges.values()} >= {"FUEL", "MISC", "UNLISTED", "ZERO_QUANTITY"}
    assert all(e["item_id"] is None and e["quantity"] == "1" for e in charges.values())
    for number, line in enumerate(lines, start=1):
        product = products.get(line["product_id"])
        if product is None or product["department"] == "FUEL" or line["quantity"] == 0:
            assert number in charges
        elif product["department"] in ("PRODUCE", "DELI"):
            assert number not in charges


def test_redemptions_are_events_of_their_own(two_days: Callable) -> None:
    events = [e for e in two_days("events") if e["event_type"] == "coupon_redeem"]
    expected = [r for r in table("coupon_redemptions") if r["redemption_date"].date() <= SECOND]
    assert len(events) == len(expected) > 0
    assert {(e["user_id"], e["promotion_id"]) for e in events} == {
        (str(r["household_id"]), str(r["coupon_upc"])) for r in expected
    }


def test_event_ids_never_repeat(two_days: Callable) -> None:
    ids = [e["event_id"] for e in two_days("events")]
    assert len(set(ids)) == len(ids)


def test_catalogue_and_households_come_on_the_first_day(two_days: Callable) -> None:
    products, users = two_days("products"), two_days("users")
    assert {row["day"] for row in (*products, *users)} == {FIRST}
    assert (len(products), len(users)) == (92_331, 801)
    ice = products[0]
    assert (ice["title"], ice["category_path"]) == (
        "ICE - CRUSHED/CUBED 22 LB",
        "GROCERY > FRZN ICE > ICE - CRUSHED/CUBED",
    )
    assert json.loads(users[0]["attributes"])["age"] == "65+"


def test_campaigns_come_when_they_start_those_begun_before_on_the_first_day(two_days: Callable) -> None:
    campaigns = two_days("campaigns")
    assert {row["campaign_id"] for row in campaigns} == {"24", "25", "26"}
    assert {(row["day"], row["starts_on"]) for row in campaigns if row["campaign_id"] == "26"} == {
        (FIRST, "2016-12-28")
    }
    assert {row["campaign_id"] for row in two_days("coupons")} <= {"24", "25", "26"}


def test_only_christmas_is_closed(lines: list[dict]) -> None:
    stamps = pq.read_table(complete_journey._data_folder() / "transactions.parquet", columns=["transaction_timestamp"])
    days = set(pc.unique(pc.cast(stamps["transaction_timestamp"], "date32")).to_pylist())
    year = {FIRST + dt.timedelta(n) for n in range(366)}
    assert {day for day in year if complete_journey.is_closed(day)} == year - days == {dt.date(2017, 12, 25)}
