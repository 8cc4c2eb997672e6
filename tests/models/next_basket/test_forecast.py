"""Which model lists the next basket, and that it foretells what nothing has seen."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from models.days import Past
from models.interactions import Interactions, encode
from models.next_basket import forecast as forecasting
from models.next_basket.baskets import NAMES, Candidates, next_baskets
from models.next_basket.forecast import FLOOR, HORIZON, LEAST_USERS, TREES, TopFrequent, forecast, judge
from models.trees import NoTrees
from tests.models.shop import MONDAY, table

DAYS = 260


def restocking(users: int = 110, items: int = 60, seed: int = 2) -> list[tuple]:
    """People who buy each of their things when it runs out: what was bought last is not needed next."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for item in draw.choice(items, 20, replace=False):
            period = int(draw.integers(2, 7)) * 7  # a weekly visit; each thing every two to six weeks
            rows += [(f"u{user:03d}", f"i{item:02d}", day) for day in range(int(draw.integers(6)) * 7, DAYS, period)]
    return rows


@pytest.fixture(scope="module")
def shop() -> pa.Table:
    return table(restocking())


def until(shop: pa.Table, day: int) -> Interactions:
    kept = shop.filter(pa.compute.field("event_date") <= MONDAY + timedelta(day))
    return encode(kept, MONDAY + timedelta(day))


def test_what_runs_out_is_foretold_better_than_what_is_frequent(shop: pa.Table) -> None:
    found = forecast(until(shop, 231))
    assert found.model == TREES
    measured = {(row["model_name"], row["metric"]): row for row in found.judged}
    assert measured[TREES, "f1_gained@10"]["low"] > 0
    assert measured[TREES, "recall@10"]["value"] > measured[FLOOR, "recall@10"]["value"]
    assert measured[TREES, "calibration_error@20"]["value"] < 0.1
    assert measured[FLOOR, "basket_size_error"]["value"] < 3
    after = next_baskets(Past.of(encode(shop, MONDAY + timedelta(DAYS))), DAYS - 231, HORIZON)
    first = np.flatnonzero(np.append(True, np.diff(found.user) != 0))
    hit = np.asarray(after[found.user[first], found.item[first]]).mean()
    assert hit > 0.6  # of the items at the top of a list, on days that nothing has seen
    assert (np.diff(found.chance)[np.diff(found.user) == 0] <= 0).all()
    assert ((found.chance > 0) & (found.chance < 1)).all()


def test_forecasting_again_gives_the_same(shop: pa.Table) -> None:
    first, second = forecast(until(shop, 231)), forecast(until(shop, 231))
    assert np.array_equal(first.item, second.item)
    assert np.array_equal(first.chance, second.chance)
    assert first.judged == second.judged


def test_a_young_or_small_shop_is_left_to_the_floor(shop: pa.Table) -> None:
    young = forecast(until(shop, 20))
    assert (young.model, young.judged) == (FLOOR, [])
    assert "the floor" in young.note
    small = forecast(encode(table(restocking(users=LEAST_USERS - 1)), MONDAY + timedelta(231)))
    assert small.model == FLOOR
    assert len(small.users) == LEAST_USERS - 1
    assert ((small.chance > 0) & (small.chance < 1)).all()


def test_nobody_has_a_next_basket() -> None:
    found = forecast(encode(table([("ann", "milk", 3, "view")]), MONDAY + timedelta(5)))
    assert (len(found.users), len(found.item), found.model) == (0, 0, FLOOR)


def test_without_lightgbm_the_floor_lists(shop: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise NoTrees("libgomp")

    monkeypatch.setattr(forecasting, "grow", gone)
    found = forecast(until(shop, 231))
    assert found.model == FLOOR
    assert {row["model_name"] for row in found.judged} == {FLOOR}


def by_hand(shares: list[float]) -> Candidates:
    columns = np.zeros((len(shares), len(NAMES)), dtype=np.float32)
    columns[:, NAMES.index("share")] = shares
    columns[:, NAMES.index("baskets")] = 4
    columns[:, NAMES.index("popularity")] = 0.25
    return Candidates(np.zeros(len(shares), np.int64), np.arange(len(shares)), columns)


def test_recall_and_f1_by_hand() -> None:
    found = by_hand([0.75, 0.5, 0.25])
    values = judge(TopFrequent(None), found, np.array([True, False, True]), np.array([0]), np.array([5]))
    assert values["recall@10"] == pytest.approx([2 / 5])
    assert values["f1@10"] == pytest.approx([2 * 2 / (3 + 5)])  # precision 2/3, recall 2/5
    assert values["bought"].tolist() == [True, False, True]


def test_a_chance_without_anything_to_calibrate_on() -> None:
    found = by_hand([0.75, 0.25, 0.0])
    assert TopFrequent(None).chance(found) == pytest.approx([(3 - 0.5) / 4, 0.5 / 4, 0.25])
