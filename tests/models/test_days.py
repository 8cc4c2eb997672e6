"""What was bought on which day, by hand, and that an earlier day is cut out as if the shop had ended there."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import days as module
from models.days import Days, Past
from models.interactions import PURCHASE, encode
from tests.models.shop import MONDAY, random_rows, table

LAST = 10


def bought(rows: list[tuple], last: int = LAST) -> tuple[Days, list[str], list[str]]:
    data = encode(table(rows), MONDAY + timedelta(last))
    return Days.of(data, data.event == PURCHASE), data.users.to_pylist(), data.items.to_pylist()


def test_days_are_distinct_and_the_oldest_comes_first() -> None:
    rows = [
        ("ann", "milk", 8), ("ann", "milk", 2), ("ann", "milk", 8, "purchase", 20), ("ann", "oil", 10),
        ("bob", "milk", 10), ("bob", "oil", 3, "view"),
    ]  # fmt: skip
    days, users, items = bought(rows)
    held = [(users[u], items[i], age) for u, i, age in zip(days.user, days.item, days.age, strict=True)]
    assert held == [("ann", "milk", 8), ("ann", "milk", 2), ("ann", "oil", 0), ("bob", "milk", 0)]
    assert days.times.tolist() == [1, 2, 1, 1]
    assert days.count.tolist() == [2, 1, 1]
    assert (days.first.tolist(), days.last.tolist()) == ([8, 0, 0], [2, 0, 0])
    assert days.interval[0] == 6
    assert np.isnan(days.interval[1:]).all()
    assert days.sum(days.times).tolist() == [3, 1, 1]
    visits = days.visits
    assert [(users[u], age) for u, age in zip(visits.user, visits.age, strict=True)] == [
        ("ann", 0), ("ann", 2), ("ann", 8), ("bob", 0),
    ]  # fmt: skip
    assert visits.age[visits.of_row].tolist() == days.age.tolist()


def test_of_nothing_there_is_nothing() -> None:
    days, *_ = bought([("ann", "milk", 3, "view")])
    for values in (days.start, days.key, days.count, days.first, days.last, days.interval, days.sum(days.times)):
        assert len(values) == 0
    assert len(days.visits.user) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 18), st.integers(1, 20))
def test_an_earlier_day_is_what_a_shop_that_ended_there_knew(seed: int, last: int, within: int) -> None:
    whole = encode(table(random_rows(seed)), MONDAY + timedelta(19))
    day = pa.compute.field("event_date")
    first, end = MONDAY + timedelta(last - within + 1), MONDAY + timedelta(last)
    kept = table(random_rows(seed)).filter((day >= first) & (day <= end))
    ended = encode(kept, end, extra_users=whole.users, extra_items=whole.items)
    one, other = Past.of(whole).until(19 - last, within), Past.of(ended)
    for mine, theirs in ((one.bought, other.bought), (one.looked, other.looked)):
        for name in ("user", "item", "age", "times", "start", "key"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name)), name


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_visits_are_the_same_by_flags_and_by_a_sort(seed: int) -> None:
    data = encode(table([("u0", "i0", 1), *random_rows(seed)]), MONDAY + timedelta(19))
    found = []
    for dense in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "DENSE", dense)
            found.append(Past.of(data).bought.visits)
    one, other = found
    for name in ("user", "age", "of_row"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
