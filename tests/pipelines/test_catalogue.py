"""Which items are new, and what products and reviews say of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.interactions import encode
from pipelines.catalogue import described, fresh, reviewed
from pipelines.lake import FIRST_DELIVERED
from pipelines.settings import Settings
from tests.models.shop import MONDAY, said, table
from tests.pipelines.learning import commit

NIGHT = MONDAY + timedelta(40)


def products(*rows: tuple[str, date, date | None], title: str = "thing") -> pa.Table:
    """Rows (item, first delivered, available from)."""
    schema = pa.schema(
        [("item_id", pa.string()), (FIRST_DELIVERED, pa.date32()), ("available_from", pa.date32()),
         ("title", pa.string()), ("brand", pa.string()), ("category_path", pa.string()),
         ("attributes", pa.map_(pa.string(), pa.string())), ("price", pa.decimal128(18, 6))]
    )  # fmt: skip
    found = [
        {"item_id": item, FIRST_DELIVERED: delivered, "available_from": begins, "title": f"{title} {item}"}
        for item, delivered, begins in rows
    ]
    return pa.Table.from_pylist(found, schema=schema)


@pytest.mark.parametrize(
    ("delivered", "begins", "new"),
    [
        (40, None, True),
        (13, None, True),
        (12, None, False),  # 28 nights are days 13 to 40
        (0, None, False),  # came with the first delivery: nobody knows since when it has been there
        (0, 30, True),
        (0, 5, False),
        (5, 40, True),  # announced long ago, to be had from today on
        (40, 41, False),  # not yet
        (30, 2, True),  # what says so may be older than the feed: the later of the two counts
    ],
)
def test_an_item_is_new_for_as_many_days_from_when_it_could_first_be_had(
    delivered: int, begins: int | None, new: bool
) -> None:
    day = None if begins is None else MONDAY + timedelta(begins)
    feed = products(("old", MONDAY, None), ("x", MONDAY + timedelta(delivered), day))
    assert fresh(feed, pa.array(["old", "x", "unheard of"]), NIGHT, 28).tolist() == [False, new, False]


def test_an_empty_feed_knows_nothing_new() -> None:
    assert fresh(products(), pa.array(["x"]), NIGHT, 28).tolist() == [False]
    assert fresh(products(("x", MONDAY, None)), pa.array([], pa.string()), NIGHT, 28).tolist() == []


def test_items_are_described_in_their_own_order_and_strangers_not_at_all() -> None:
    data = encode(table([("a", "y", 1), ("a", "x", 1), ("a", "z", 1)]), NIGHT)
    found = described(data, products(("y", MONDAY, None), ("x", MONDAY, None)))
    assert found.content is not None
    expected = said(["thing x", "thing y", None])
    assert np.allclose((found.content @ found.content.T).toarray(), (expected @ expected.T).toarray())


def test_reviews_count_as_they_were_delivered_last_by_the_night(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    night = MONDAY + timedelta(2)
    data = encode(table([("u", "cup", 0), ("u", "pan", 0)]), night)
    assert reviewed(settings, data) is data  # a shop without reviews

    def review(number: int, item: str, day: int, rating: int | None, **more: Any) -> dict[str, Any]:
        at = datetime.combine(MONDAY, datetime.min.time(), UTC)
        origin = {"landing_date": MONDAY + timedelta(day), "file": "f", "line": number, "is_duplicate": False}
        return {"review_id": f"r{number}", "item_id": item, "created_at": at, "rating": rating, **origin, **more}

    commit(settings, "reviews", [
        review(1, "cup", 0, 5), review(1, "cup", 2, 1), review(1, "cup", 3, 5),  # corrected twice, once too late
        review(2, "cup", 1, None), review(3, "pan", 1, 1, is_duplicate=True), review(4, "pan", 3, 5),
        review(5, "lost", 1, 5), review(6, "pan", 2, 5, created_at=datetime(2024, 5, 9, tzinfo=UTC)),
    ])  # fmt: skip
    found = reviewed(settings, data).opinions
    assert found is not None
    assert found[0].tolist() == [2, 1, 0]  # the shop's one rated review of these items is a 1
    assert found[1, 0] == 0
    assert np.isnan(found[1, 1:]).all()
    assert reviewed(settings, encode(table([("u", "pan", 0)]), MONDAY)).opinions is None
    assert reviewed(settings, data).digest() != data.digest()
