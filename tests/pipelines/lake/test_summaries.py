"""What days say in short: what the committed files say and nothing else, whenever it was counted."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from staged import D1, D2, base, event, stage

from pipelines import lake
from pipelines.fence import take
from pipelines.lake import summaries
from pipelines.settings import Settings

D0 = D1 - timedelta(1)  # in another month
LATER = D2 + timedelta(30)


def put(settings: Settings, folder: Path, day: date, rows: list[dict[str, Any]]) -> None:
    """The rows are all of the day's, whatever it held before."""
    staged = stage(folder / "events", day, rows)
    lake.commit(settings, "events", staged, [day], base(settings), take(settings, "p", str(day)))
    shutil.rmtree(folder)


def shown(settings: Settings, as_of: date) -> list[tuple[Any, ...]]:
    rows = lake.user_days(settings, as_of, 90).to_pylist()
    return [(r["event_date"], r["landing_date"], r["user_id"], r["lines"], r["spend"], r["looks"]) for r in rows]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", shop="shop")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The days of all tables that were counted, as it happens."""
    found: list[date] = []
    whole: Callable[..., Any] = summaries._counted

    def counting(settings: Settings, asked: Any, version: Any, days: list[date], kept: Any) -> Any:
        found.extend(days)
        return whole(settings, asked, version, days, kept)

    monkeypatch.setattr(summaries, "_counted", counting)
    return found


def test_a_users_day_is_what_its_purchases_and_looks_add_up_to(settings: Settings, tmp_path: Path) -> None:
    def of(name: str, **more: Any) -> dict[str, Any]:
        return event(name, D1, more.pop("landed", None)) | {"unit_price": 2} | more

    rows = [
        of("1", quantity=3),
        of("2", unit_price=None),
        of("3", event_type="view"),
        of("4", event_type="add_to_cart", user_id="ü"),
        of("5", landed=D2, quantity=1),
        of("6", is_duplicate=True),
        of("7", item_id=None),
        of("8", event_type="search", user_id="asks"),
        of("9", user_id=None),
    ]
    put(settings, tmp_path / "s", D1, rows)
    first = [(D1, D1, "u1", 2, 6.0, 1), (D1, D1, "ü", 0, 0.0, 1)]
    assert shown(settings, D1) == first
    assert shown(settings, D2) == [*first, (D1, D2, "u1", 1, 2.0, 0)]
    assert lake.user_days(settings, LATER, 5).num_rows == 0
    assert lake.known_users(settings, D1, lake.users(settings, D1)) == ["asks", "u1", "ü"]


def test_sequences_are_the_rows_of_interactions(settings: Settings, tmp_path: Path) -> None:
    odd = [{"item_id": None}, {"user_id": None}, {"is_duplicate": True}, {"event_type": "return"}, {"landing_date": D2}]
    rows = [event(f"{n}", D1) | {"user_id": f"u{n}", "item_id": f"i{n % 3}"} for n in range(5)]
    put(settings, tmp_path / "s", D0, [event("0", D0) | {"event_type": "view"}])
    put(settings, tmp_path / "s", D1, [*rows, *(event(f"o{n}", D1) | more for n, more in enumerate(odd))])
    for as_of, days, count in ((D1, 2, 6), (D1, 1, 5), (D2, 3, 7), (D2, 1, 0), (D0, 1, 1)):
        found = lake.sequences(settings, as_of, days)
        names = found.column_names
        plain = sorted(map(repr, found.to_pylist()))
        assert plain == sorted(map(repr, lake.interactions(settings, as_of, days).select(names).to_pylist()))
        assert len(plain) == count


def test_only_days_that_changed_are_counted_again(home: Settings, tmp_path: Path, counted: list[date]) -> None:
    for day in (D0, D1, D2):
        put(home, tmp_path / "s", day, [event("a", day)])
    lake.summarise(home)
    assert sorted(counted) == [D0, D1, D2]
    counted.clear()
    assert [row[0] for row in shown(home, D2)] == [D0, D1, D2]
    assert lake.known_users(home, D0, lake.users(home, D0)) == ["u1"]
    lake.summarise(home)
    assert counted == []
    put(home, tmp_path / "s", D1, [event("b", D1) | {"quantity": 5, "unit_price": 1}])
    assert [row[4] for row in shown(home, D2)] == [0.0, 5.0, 0.0]
    assert counted == [D1]


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "gone", "not ours"])
def test_a_damaged_summary_costs_time_only(home: Settings, tmp_path: Path, harm: str) -> None:
    put(home, tmp_path / "s", D1, [event(f"{n}", D1) | {"user_id": f"user {n}"} for n in range(40)])
    before = shown(home, D1)
    [path] = home.summaries.glob("user_days-*/*.parquet")
    whole = path.read_bytes()
    at = whole.index(b"user 2") if b"user 2" in whole else len(whole) // 4
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    said = {"cut": whole[:-9], "flipped": flipped, "empty": b"", "gone": b"", "not ours": b"PAR1 something PAR1"}[harm]
    path.write_bytes(said)
    if harm == "gone":
        path.unlink()
    assert shown(home, D1) == before
    assert path.read_bytes() == whole  # mended


DELIVERED = st.lists(
    st.tuples(
        st.sampled_from([D0, D1, D2]), st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=4)
    ),
    min_size=1,
    max_size=5,
)


@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DELIVERED, st.lists(st.sampled_from([D0, D1, D2]), max_size=3))
def test_whatever_was_asked_before_the_answer_is_that_of_a_new_home(
    tmp_path_factory: Any, delivered: list[tuple[date, list[tuple[str, int]]]], asked: list[date]
) -> None:
    folder = tmp_path_factory.mktemp("home")
    home = Settings(home=folder / "home")
    for number, (day, rows) in enumerate(delivered):
        made = [event(f"{n}", day) | {"user_id": u, "quantity": q, "unit_price": 1} for n, (u, q) in enumerate(rows)]
        put(home, folder / "s", day, made)
        for as_of in asked[number : number + 1]:
            shown(home, as_of)
    kept = {as_of: shown(home, as_of) for as_of in (D0, D1, D2)}
    shutil.rmtree(home.summaries, ignore_errors=True)
    assert {as_of: shown(home, as_of) for as_of in (D2, D0, D1)} == {as_of: kept[as_of] for as_of in (D2, D0, D1)}
    last = dict(delivered)
    for day in (D0, D1, D2):
        spent = sum(row[4] for row in kept[D2] if row[0] == day)
        assert spent == sum(quantity for _, quantity in last.get(day, []))
