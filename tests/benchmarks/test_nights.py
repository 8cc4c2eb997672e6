"""The shop of the nights benchmark: as old as asked for, and the same in every cycle."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from benchmarks import nights
from benchmarks.nights import LAST, write_shop


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
