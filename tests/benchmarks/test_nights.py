"""The nights benchmark: a shop as old as asked for and the same in every cycle, and what is said of its nights."""

import argparse
import math
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from benchmarks import nights
from benchmarks._measure import Ran
from benchmarks.nights import LAST, grown, median_interval, summary, turns, write_shop


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Three deliveries of two, one and three events, and a product with each."""
    for day, events in ((1, 2), (3, 1), (4, 3)):
        for name, rows in (("events", events), ("products", 1)):
            folder = tmp_path / "origin" / name / f"date=2011-09-{day:02d}"
            folder.mkdir(parents=True)
            columns = f"'2011-09-{day:02d}T10:00:00Z' as occurred_at, 'e' || range as event_id, 's' as session_id"
            columns += ", 'u' || range as user_id, range as line, null as unreadable"
            duckdb.sql(f"copy (select {columns} from range({rows})) to '{folder / 'a.parquet'}'")
    return tmp_path / "origin"


def test_every_cycle_has_the_same_people_and_events(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nights, "CYCLE", 3)
    shop = tmp_path / "shop"
    assert write_shop(origin, shop, days=6, copies=2) == 2 * 2 * (2 + 1 + 3)
    counts = [_read(shop, LAST - timedelta(back), "count(*)") for back in range(6)]
    assert counts == [6, 2, 4, 6, 2, 4]  # the newest day is the origin's newest
    people = "count(distinct user_id)"
    assert _read(shop, LAST, people) == 6
    assert _read(shop, LAST, f"count(*) filter (occurred_at = '{LAST}T10:00:00Z')") == 6


def test_no_event_is_delivered_twice(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nights, "CYCLE", 3)
    events = write_shop(origin, tmp_path / "shop", days=9, copies=2)
    files = tmp_path / "shop" / "events" / "*" / "*.parquet"
    assert duckdb.sql(f"select count(distinct event_id) from '{files}'").fetchall() == [(events,)]


def _read(shop: Path, day: date, what: str) -> int:
    folder = shop / "events" / f"date={day}"
    return int(duckdb.sql(f"select {what} from '{folder / '*.parquet'}'").fetchall()[0][0])


def test_the_homes_take_turns_in_going_first() -> None:
    found = turns(3, [90, 360])
    assert found == [
        (LAST - timedelta(2), [90, 360]),
        (LAST - timedelta(1), [360, 90]),
        (LAST, [90, 360]),
    ]


def test_every_pair_is_reported_and_the_older_home_is_over_the_younger() -> None:
    asked = argparse.Namespace(days=[90, 360], copies=1, nights=3, training_days=90)

    def ran(seconds: float, cpu: float) -> Ran:
        return Ran(seconds, cpu, 100, {"steps": {"score": {"seconds": seconds / 2}}})

    turn = [
        {90: ran(10, 20), 360: ran(11, 20)},
        {90: ran(10, 20), 360: ran(10, 21)},
        {90: ran(20, 20), 360: ran(19, 22)},
    ]
    found = summary(turn, asked)
    assert found["360 over 90 days"]["seconds"] == {"median": 1.0, "interval": [0.95, 1.1], "pairs": [1.1, 1.0, 0.95]}
    assert found["360 over 90 days"]["cpu_seconds"]["pairs"] == [1.0, 1.05, 1.1]
    assert found["cpu_seconds_by_night"][str(LAST)] == {"90 days": 20, "360 days": 22}
    assert list(found["seconds_by_night"]) == [str(LAST - timedelta(left)) for left in (2, 1, 0)]
    assert found["seconds_by_step"] == {"score": {"90 days": 5.0, "360 days": 5.5}}


@pytest.mark.parametrize(
    ("n", "k"), [(1, 1), (3, 1), (6, 1), (7, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6)]
)  # k as in tables of the sign test
def test_the_interval_of_a_median_is_that_of_the_sign_test(n: int, k: int) -> None:
    values = [float(value) for value in range(1, n + 1)]
    assert median_interval(values[::-1]) == (k, n + 1 - k)
    if n >= 6:
        assert (
            2 * sum(math.comb(n, i) for i in range(k)) / 2**n
            <= 0.05
            < 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n
        )


def test_ratios_stay_in_the_order_of_the_nights() -> None:
    assert grown([1.2, 1.0, 1.1])["pairs"] == [1.2, 1.0, 1.1]
