"""The public view/cart/purchase CSV."""

from collections.abc import Callable
from pathlib import Path

import pytest

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
LINES = (
    "2019-10-01 00:00:00 UTC,view,44,2103,appliances.kitchen.oven,,35.79,u1,s1\n"
    "2019-10-01 00:00:05 UTC,cart,44,2103,appliances.kitchen.oven,aqua,33.20,u1,s1\n"
    "2019-10-01 00:00:05 UTC,remove_from_cart,44,2103,,,33.20,u1,s1\n"
    "half a li\n"
    "2019-10-02 00:00:09 UTC,purchase,45,2104,,,9.99,u1,s1\n"
    "yesterday,view,45,2104,,,9.99,,s1\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "2019-Oct.csv").write_text(HEADER + LINES)
    return tmp_path / "2019-Oct.csv"


def test_events(landed: Callable, path: Path) -> None:
    events = landed("rees46", path)
    assert [(e["day"], e["line"], e["event_type"], e["quantity"], e["unit_price"]) for e in events] == [
        ("2019-10-01", 2, "view", None, "35.79"),
        ("2019-10-01", 3, "add_to_cart", None, "33.20"),
        ("2019-10-01", 4, "remove_from_cart", None, "33.20"),
        ("2019-10-01", 5, None, None, None),
        ("2019-10-02", 6, "purchase", "1", "9.99"),
        ("2019-10-02", 7, "view", None, "9.99"),
    ]
    assert events[0]["occurred_at"] == "2019-10-01T00:00:00Z"
    assert events[3]["unreadable_reason"] == "1 fields instead of 9"
    assert events[5]["occurred_at"] == "yesterday"  # preprocess says what is wrong with it
    assert (events[0]["user_id"], events[0]["session_id"], events[0]["item_id"]) == ("u1", "s1", "44")


def test_products_are_known_from_the_days_events(landed: Callable, path: Path) -> None:
    products = landed("rees46", path, "products")
    assert [(p["day"], p["item_id"], p["brand"], p["category_path"], p["price"]) for p in products] == [
        ("2019-10-01", "44", "aqua", "appliances > kitchen > oven", "33.200000"),
        ("2019-10-02", "45", None, None, "9.990000"),
    ]
    assert products[0]["attributes"] == '{"category_id":"2103"}'
