"""BI sees one night or the next, whole, and can do nothing but read it."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines import bi
from pipelines.bi import file
from pipelines.errors import NightmarketError, Superseded, UsageError
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse

D1, D2, D3 = date(2024, 5, 1), date(2024, 5, 2), date(2024, 5, 3)


def fill_marts(settings: Settings, night: date) -> None:
    with open_warehouse(settings) as connection:
        for name in ("daily_kpis", "recommendations"):
            connection.execute(f"create or replace table marts.{name} (as_of date, event_date date, value int)")
            connection.execute(f"insert into marts.{name} values (?, ?, 1), (?, date '2020-01-01', 2)", [night] * 3)


def publish(settings: Settings, night: date) -> None:
    fill_marts(settings, night)
    attempt = take(settings, "publish", "bi")
    private, _ = file.build(settings, night, attempt)
    file.swap(settings, private, night, attempt)


def seen(settings: Settings) -> list[tuple]:
    with file.open_bi(settings.bi) as connection:
        return connection.execute(
            "select as_of, value from marts.daily_kpis union all select as_of, value from marts.recommendations"
        ).fetchall()


def test_bi_gets_the_last_days_only_and_the_file_is_read_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, D1)
    assert seen(settings) == [(D1, 1), (D1, 1)]  # the row of 2020 stays in the warehouse
    assert settings.bi.stat().st_mode & 0o777 == 0o444
    assert bi.current_night(settings) == D1


def test_an_open_reader_keeps_its_night(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, D1)
    with file.open_bi(settings.bi) as reader:
        publish(settings, D2)
        assert reader.execute("select distinct as_of from marts.daily_kpis").fetchall() == [(D1,)]
    assert seen(settings) == [(D2, 1), (D2, 1)]


def test_a_superseded_attempt_swaps_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, D1)
    fill_marts(settings, D2)
    orphan = take(settings, "publish", "bi")
    private, _ = file.build(settings, D2, orphan)
    take(settings, "publish", "bi")
    with pytest.raises(Superseded):
        file.swap(settings, private, D2, orphan)
    assert bi.current_night(settings) == D1


def test_rollback_shows_the_kept_night_byte_for_byte(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, D1)
    before = settings.bi.read_bytes()
    publish(settings, D2)

    assert bi.rollback(settings, None, dry_run=True)["to"] == str(D1)
    assert bi.current_night(settings) == D2
    bi.rollback(settings, None, dry_run=False)
    assert settings.bi.read_bytes() == before


def test_rollback_names_the_nights_it_has(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, D1)
    with pytest.raises(UsageError, match="kept nights: 2024-05-01"):
        bi.rollback(settings, D3, dry_run=False)


def test_old_nights_are_dropped(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, keep_nights=2)
    for night in (D1, D2, D3):
        publish(settings, night)
    assert bi.published(settings) == [D2, D3]


@pytest.mark.parametrize(
    "sql",
    [
        "create table marts.x (a int)",
        "delete from marts.daily_kpis",
        "copy marts.daily_kpis to '/tmp/out.csv'",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "attach '/tmp/other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "reset enable_external_access",
        "pragma enable_external_access",
    ],
)
def test_the_reader_can_neither_write_nor_leave_the_file(tmp_path: Path, sql: str) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, D1)
    with file.open_bi(settings.bi) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()


def test_a_warehouse_without_marts_publishes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    open_warehouse(settings).close()
    with pytest.raises(NightmarketError, match="no marts"):
        file.build(settings, D1, take(settings, "publish", "bi"))
    assert not settings.bi.exists()
