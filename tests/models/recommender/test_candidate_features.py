"""The columns of the second stage, by hand, and that nothing later than their day moves them."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.days import Past
from models.interactions import Interactions, encode
from models.recommender.candidate_features import BOUGHT, ITEM, NAMES, SEEN, USER, features
from tests.models.shop import MONDAY, random_rows, table

LAST = 40  # number of the last day


def shop() -> Interactions:
    rows = [
        ("ann", "milk", 0), ("ann", "milk", 10), ("ann", "milk", 10, "purchase", 18), ("ann", "milk", 30),
        ("ann", "salt", 30), ("ann", "oil", 35, "view"), ("ann", "oil", 39, "add_to_cart"),
        ("bob", "milk", 38), ("bob", "oil", 20), ("new", "salt", 40, "view"),
    ]  # fmt: skip
    return encode(table(rows), MONDAY + timedelta(LAST))


def columns(data: Interactions, user: str, item: str) -> dict[str, float]:
    users, items = data.users.to_pylist(), data.items.to_pylist()
    found = features(Past.of(data)).of(np.array([users.index(user)]), np.array([items.index(item)]))
    return dict(zip(NAMES, found[0].tolist(), strict=True))


def same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert {name: found[name] for name in expected} == pytest.approx(expected, nan_ok=True)


def test_a_user_and_an_item_they_buy() -> None:
    same(
        columns(shop(), "ann", "milk"),
        {
            "bought_times": 4, "bought_days": 3, "bought_days_28d": 1, "bought_share": 1, "since_bought": 10,
            "since_first_bought": 40, "buying_interval": 15, "since_bought_in_intervals": 10 / 15,
            "seen_days": 0, "since_seen": float("nan"),
        },
    )  # fmt: skip


def test_what_was_only_looked_at() -> None:
    nothing = float("nan")
    same(
        columns(shop(), "ann", "oil"),
        {
            "seen_days": 2, "seen_days_28d": 2, "since_seen": 1, "bought_times": 0, "bought_share": 0,
            "since_bought": nothing, "buying_interval": nothing,
        },
    )  # fmt: skip


def test_an_item_by_itself() -> None:
    same(
        columns(shop(), "new", "milk"),
        {
            "item_sold_7d": 1, "item_sold_28d": 2, "item_sold": 4, "item_trend": 2, "item_age": 40,
            "item_rebuy_share": 1 / 2, "item_interval": 15,
        },
    )  # fmt: skip
    same(columns(shop(), "bob", "salt"), {"item_rebuy_share": 0, "item_interval": float("nan"), "item_trend": 0})


def test_a_bought_item_without_an_interval_is_measured_by_the_items_own() -> None:
    same(columns(shop(), "bob", "milk"), {"buying_interval": float("nan"), "since_bought_in_intervals": 2 / 15})


def test_a_user_by_themselves() -> None:
    same(
        columns(shop(), "ann", "oil"),
        {
            "user_days": 3, "user_days_28d": 1, "user_since": 10, "user_interval": 15, "user_items": 2,
            "user_basket": 4 / 3, "user_new_share": 2 / 4, "user_age": 40,
            "user_popularity": (3 * np.log(5) + np.log(2)) / 4,
        },
    )  # fmt: skip
    same(columns(shop(), "new", "milk"), {"user_days": 0, "user_since": float("nan"), "user_age": 0})


def test_a_shop_without_purchases_or_events() -> None:
    looked = encode(table([("ann", "milk", 3, "view")]), MONDAY + timedelta(5))
    found = columns(looked, "ann", "milk")
    assert (found["seen_days"], found["since_seen"], found["bought_days"], found["item_sold"]) == (1, 2, 0, 0)
    empty = encode(table([]), MONDAY, extra_users=pa.array(["ann"]), extra_items=pa.array(["milk"]))
    assert features(Past.of(empty)).of(np.array([0]), np.array([0])).shape == (1, len(NAMES))
    assert len(NAMES) == len((*BOUGHT, *SEEN, *ITEM, *USER))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_later_events_change_nothing_but_the_vocabulary(seed: int) -> None:
    rows = random_rows(seed)
    day = MONDAY + timedelta(12)
    later = [row for row in rows if row[2] > 12] + [("u0", "i0", 15)]
    before = [row for row in rows if row[2] <= 12] + [("u0", "i0", 0)]
    short = encode(table(before), day)
    long = encode(table([*before, *later]), day)
    users = np.array([long.users.to_pylist().index(u) for u in short.users.to_pylist()])
    items = np.array([long.items.to_pylist().index(i) for i in short.items.to_pylist()])
    user, item = (grid.ravel() for grid in np.meshgrid(np.arange(len(users)), np.arange(len(items))))
    expected = features(Past.of(short)).of(user, item)
    assert np.array_equal(features(Past.of(long)).of(users[user], items[item]), expected, equal_nan=True)
