"""One product in every basket, and a basket that holds the whole catalogue: counted right, and no square of the day."""

from collections.abc import Callable

import pytest

from pipelines.features import build
from pipelines.fence import take
from pipelines.settings import Settings
from tests.dbt.warehouse_rows import DAY, event, load, query

pytestmark = pytest.mark.slow
SESSIONS, ITEMS = 6_000, 300


def test_a_product_in_every_basket_is_paired_with_each_of_its_partners(new_home: Callable[[], Settings]) -> None:
    settings = new_home()
    bought = [
        event(DAY[n % 20], "purchase", session_id=f"s{n}", user_id=f"u{n}", item_id=item, quantity=1, unit_price=1)
        for n in range(SESSIONS)
        for item in ("bag", f"i{n % ITEMS}")
    ]
    robot = [
        event(DAY[3], "purchase", session_id="robot", user_id="robot", item_id=f"i{n}", quantity=1, unit_price=1)
        for n in range(ITEMS)
    ]
    load(settings, bought + robot, [])
    build(settings, DAY[20], "features", take(settings, "features", "warehouse"))

    each = SESSIONS // ITEMS
    pairs = "select count(*), min(sessions_together), max(sessions_together) from features.item_cooccurrence"
    assert query(settings, f"{pairs} where item_id = 'bag'") == [(50, each, each)]  # of 300 equal ones the first 50
    assert query(settings, f"{pairs} where partner_item_id = 'bag'") == [(ITEMS, each, each)]
    assert query(settings, pairs) == [(50 + ITEMS, each, each)]  # the robot made no pair
    lift = "select distinct confidence, lift from features.item_cooccurrence where partner_item_id = 'bag'"
    assert query(settings, lift) == [(1.0, 1.0)]  # whoever buys anything buys the bag: it says nothing
