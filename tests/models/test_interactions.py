from datetime import timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import PURCHASE, Interactions, encode
from tests.models.shop import MONDAY, random_rows, table


def arrays(data: Interactions) -> list[list]:
    return [part.tolist() for part in (data.item, data.event, data.time, data.offsets)] + [
        data.users.to_pylist(), data.items.to_pylist(),
    ]  # fmt: skip


def test_events_are_grouped_by_user_and_ordered_by_time_then_item() -> None:
    rows = [("b", "y", 1), ("a", "z", 2), ("a", "y", 2), ("a", "x", 3), ("b", "x", 0)]
    data = encode(table(rows), MONDAY + timedelta(9))
    assert data.users.to_pylist() == ["a", "b"]
    assert data.items.to_pylist() == ["x", "y", "z"]
    assert data.offsets.tolist() == [0, 3, 5]
    assert data.item.tolist() == [1, 2, 0, 0, 1]


def test_an_item_twice_on_one_receipt_is_one_event() -> None:
    assert len(encode(table([("a", "x", 1), ("a", "x", 1)]), MONDAY + timedelta(1)).item) == 1
    assert len(encode(table([("a", "x", 1), ("a", "x", 1, "view")]), MONDAY + timedelta(1)).item) == 2


def test_ids_sort_by_bytes_whatever_the_locale() -> None:
    data = encode(table([("a", "é", 0), ("a", "z", 0), ("a", "Z", 0)]), MONDAY)
    assert data.items.to_pylist() == ["Z", "z", "é"]


def test_events_after_the_day_and_other_types_are_left_out() -> None:
    rows = [("a", "x", 0, "purchase", 23), ("a", "x", 1, "purchase", 0), ("a", "x", 0, "return")]
    data = encode(table(rows), MONDAY)
    assert data.event.tolist() == [PURCHASE]


def test_extra_users_and_items_have_no_events() -> None:
    data = encode(table([("b", "y", 0)]), MONDAY, pa.array(["a", "b"]), pa.array(["x"]))
    assert (data.users.to_pylist(), data.items.to_pylist()) == (["a", "b"], ["x", "y"])
    assert data.offsets.tolist() == [0, 0, 1]
    assert data.purchase_counts().tolist() == [0, 1]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = table(random_rows(seed))
    shuffled = rows.take(np.random.default_rng(seed).permutation(rows.num_rows))
    assert arrays(encode(rows, MONDAY + timedelta(30))) == arrays(encode(shuffled, MONDAY + timedelta(30)))
