"""The laws as dbt has to keep them: no future, order-free, incremental equals a full build."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.features import build
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, transaction
from tests.dbt.warehouse_rows import DAY, clear, event, hashes, load, product

LAST = DAY[5]


def month(seed: int) -> list[dict[str, Any]]:
    """About 200 events of six days and as many impressions, some of them up to three days late, of known and unknown users."""
    chance = random.Random(seed)
    found = []
    for n in range(200):
        day = chance.randrange(6)
        kind = chance.choice(["view", "add_to_cart", "purchase", "purchase", "return"])
        user = chance.choice(["u", "v", "w", None])
        landed = DAY[day + chance.choice([0, 0, 0, 1, 3])]
        found.append(
            event(
                DAY[day], kind, landed, user_id=user, session_id=f"{user}-{day}-{chance.randrange(3)}",
                item_id=chance.choice("abcdef"), quantity=chance.randrange(1, 5),
                unit_price=chance.randrange(1, 999) / 100, query=str(n),
            )
        )  # fmt: skip
        shown = f"{DAY[max(day - 1, 0)]}/{n % 3 + 1}/user/{user}"
        found.append(event(DAY[day], "impression", landed, user_id=user, item_id="a", recommendation_id=shown, query=str(n)))
    return found


EVENTS = month(1)
PRODUCTS = [product(DAY[n], item, title=f"{item}{n // 2}") for n in range(6) for item in "abcde"]


@pytest.fixture(scope="module")
def in_one_pass(new_home: Callable[[], Settings]) -> dict[str, str]:
    settings = new_home()
    load(settings, EVENTS, PRODUCTS)
    build(settings, LAST, "features", take(settings, "features", "warehouse"))
    return hashes(settings)


def test_days_in_any_order_end_equal_to_one_pass(new_home: Callable[[], Settings], in_one_pass: dict[str, str]) -> None:
    settings = new_home()
    days = sorted({row["event_date"] for row in EVENTS})
    random.Random(7).shuffle(days)
    assert days != sorted(days)
    for some in (days[:2], days[2:]):
        load(settings, [row for row in EVENTS if row["event_date"] in some], PRODUCTS)
        build(settings, LAST, "features", take(settings, "features", "warehouse"))
    assert hashes(settings) == in_one_pass
    assert len(in_one_pass) > 10


def test_what_comes_later_changes_no_byte(new_home: Callable[[], Settings], in_one_pass: dict[str, str]) -> None:
    settings = new_home()
    known = [row for row in EVENTS if row["landing_date"] <= LAST]
    assert len(known) < len(EVENTS)
    later = [event(DAY[9], "purchase", user_id="u", session_id="s", item_id="a", quantity=1, unit_price=1)]
    load(settings, known + later, [*PRODUCTS, product(DAY[9], "a", title="later")])
    build(settings, LAST, "features", take(settings, "features", "warehouse"))
    features = {name for name in in_one_pass if name.startswith("features.")}
    assert {n: h for n, h in hashes(settings).items() if n in features} == {n: in_one_pass[n] for n in features}


def test_a_late_row_and_a_day_that_became_empty_end_equal_to_a_full_build(new_home: Callable[[], Settings]) -> None:
    late = event(DAY[1], "purchase", DAY[4], user_id="u", session_id="late", item_id="a", quantity=2, unit_price=3)
    settings = new_home()
    load(settings, EVENTS, PRODUCTS)
    build(settings, LAST, "features", take(settings, "features", "warehouse"))
    before = hashes(settings)
    load(settings, [*(row for row in EVENTS if row["event_date"] == DAY[1]), late])
    with open_warehouse(settings) as connection, transaction(connection):
        clear(connection, DAY[2])
    build(settings, LAST, "features", take(settings, "features", "warehouse"))
    night_by_night = hashes(settings)

    settings = new_home()
    load(settings, [*(row for row in EVENTS if row["event_date"] != DAY[2]), late], PRODUCTS)
    build(settings, LAST, "features", take(settings, "features", "warehouse"))
    assert hashes(settings) == night_by_night
    assert all(before[name] != found for name, found in night_by_night.items() if name.endswith("_day"))
