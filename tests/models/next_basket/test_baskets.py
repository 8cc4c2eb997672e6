"""Baskets, candidates and their columns by hand."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.days import Past
from models.interactions import Interactions, encode
from models.next_basket import baskets as module
from models.next_basket.baskets import (
    LOOKBACK,
    NAMES,
    baskets,
    buyers,
    candidates,
    expected_sizes,
    known_at,
    next_baskets,
)
from tests.models.shop import MONDAY, random_rows, table

LAST = 40


def shop() -> Interactions:
    rows = [
        ("ann", "milk", 0), ("ann", "milk", 10), ("ann", "salt", 10), ("ann", "milk", 10, "purchase", 20),
        ("ann", "oil", 30), ("ann", "tea", 30, "view"), ("bob", "milk", 38), ("cid", "tea", 5, "view"),
    ]  # fmt: skip
    return encode(table(rows), MONDAY + timedelta(LAST))


def of(data: Interactions, user: str) -> dict[str, dict[str, float]]:
    """The columns of a user's candidates by item, in their order."""
    index = data.users.to_pylist().index(user)
    past = Past.of(data)
    found = candidates(past, baskets(past, np.array([index])), np.array([index]))
    items = data.items.take(pa.array(found.item)).to_pylist()
    return {i: dict(zip(NAMES, row, strict=True)) for i, row in zip(items, found.columns.tolist(), strict=True)}


def test_own_items_by_frequency_then_the_latest_then_what_is_popular() -> None:
    assert list(of(shop(), "ann")) == ["milk", "oil", "salt"]
    assert list(of(shop(), "bob")) == ["milk", "oil"]  # within 28 days milk and oil were bought, salt was not


def test_the_columns_of_a_candidate() -> None:
    milk, oil = of(shop(), "ann")["milk"], of(shop(), "bob")["oil"]
    expected = {
        "share": 2 / 3, "since_baskets": 1, "in_last_3": 2, "in_last_5": 2, "baskets": 3, "popularity": 1 / 2,
        "bought_days": 2, "since_bought": 30,
    }  # fmt: skip
    assert {name: milk[name] for name in expected} == pytest.approx(expected)
    assert (oil["share"], oil["popularity"], oil["in_last_3"], oil["baskets"]) == (0, 0.5, 0, 1)
    assert np.isnan(oil["since_baskets"])


def test_only_so_many_of_the_own_items_are_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OWN", 1)
    assert list(of(shop(), "ann")) == ["milk", "oil"]  # oil comes back as popular, salt does not


def test_the_next_basket_is_the_first_day_with_a_purchase() -> None:
    data = shop()
    past = Past.of(data)
    found = next_baskets(past, LAST - 5, 28)
    users, items = data.users.to_pylist(), data.items.to_pylist()
    held = [(users[u], items[i]) for u, i in zip(*found.nonzero(), strict=True)]
    assert held == [("ann", "milk"), ("ann", "salt")]
    assert next_baskets(past, LAST - 5, 4).nnz == 0
    assert next_baskets(past, 0, 28).nnz == 0


def test_the_expected_size_is_the_own_mean_drawn_towards_the_shops() -> None:
    data = shop()
    past = Past.of(data)
    users = buyers(past)
    assert data.users.take(pa.array(users)).to_pylist() == ["ann", "bob"]
    mean = 5 / 4  # 4 lines of ann in 3 baskets, 1 of bob in 1
    assert expected_sizes(baskets(past, users), users) == pytest.approx([(4 + mean) / 4, (1 + mean) / 2])


def test_a_shop_without_purchases_has_no_candidates() -> None:
    past = Past.of(encode(table([("ann", "milk", 3, "view")]), MONDAY + timedelta(5)))
    assert len(buyers(past)) == 0
    assert len(candidates(past, baskets(past, buyers(past)), buyers(past)).item) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 18))
def test_what_is_known_at_a_day_is_what_a_shop_that_ends_there_knows(seed: int, day: int) -> None:
    rows = random_rows(seed)
    whole = encode(table(rows), MONDAY + timedelta(19))
    known = known_at(Past.of(whole), 19 - day)
    ends = encode(
        table(rows).filter(pa.compute.field("event_date") <= MONDAY + timedelta(day)), MONDAY + timedelta(day),
        extra_users=whole.users, extra_items=whole.items,
    )  # fmt: skip
    users = buyers(known)
    one, other = (candidates(past, baskets(past, users), users) for past in (known, known_at(Past.of(ends), 0)))
    assert np.array_equal(one.item, other.item)
    assert np.array_equal(one.columns, other.columns, equal_nan=True)


def test_the_lookback_ends() -> None:
    data = encode(table([("ann", "milk", 0), ("ann", "oil", LOOKBACK)]), MONDAY + timedelta(LOOKBACK))
    past = Past.of(data)
    assert (data.items.take(pa.array(known_at(past, 0).bought.item)).to_pylist()) == ["oil"]
    assert (data.items.take(pa.array(known_at(past, 1).bought.item)).to_pylist()) == ["milk"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_asked_about_some_does_not_depend_on_who_else_is_asked_about(seed: int) -> None:
    past = Past.of(encode(table(random_rows(seed)), MONDAY + timedelta(19)))
    everybody = buyers(past)
    some = everybody[::2]
    whole, part = (candidates(past, baskets(past, users), users) for users in (everybody, some))
    rows = np.isin(whole.user, some)
    assert np.array_equal(whole.item[rows], part.item)
    assert np.array_equal(whole.columns[rows], part.columns, equal_nan=True)
    sizes = expected_sizes(baskets(past, everybody), everybody)
    assert np.array_equal(sizes[::2], expected_sizes(baskets(past, some), some))
