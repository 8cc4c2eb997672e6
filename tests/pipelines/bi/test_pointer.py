"""BI on PostgreSQL: one edition or the next, whole; rights to read it and nothing else; old editions go in time."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from pipelines import bi
from pipelines.bi import pointer
from pipelines.errors import NightmarketError, Superseded, UsageError
from pipelines.faults import fault_point
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from pipelines.warehouse.postgres import PUBLISHER, TRANSFORMER, connect
from tests.postgres import Server

D1, D2, D3 = date(2024, 5, 1), date(2024, 5, 2), date(2024, 5, 3)


def build_marts(settings: Settings, night: date, more: str = "") -> None:
    """As dbt would: two marts of one night, with a row that is too old for BI."""
    open_warehouse(settings).close()
    with connect(settings, TRANSFORMER) as connection, connection.transaction():
        for name in ("daily_kpis", "recommendations"):
            connection.execute(f"drop table if exists built.{name}")
            connection.execute(f"create table built.{name} (as_of date, event_date date, value int {more})")
            connection.execute(
                f"insert into built.{name} (as_of, event_date, value) values (?, ?, 1), (?, date '2020-01-01', 2)",
                [night] * 3,
            )


def publish(settings: Settings, night: date) -> None:
    build_marts(settings, night)
    bi.publish(settings, night, take(settings, "publish", "bi"))


def reader_of(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(settings.postgres, user="bi_reader", autocommit=True)


def seen(settings: Settings) -> list[tuple]:
    with reader_of(settings) as connection:
        return connection.execute(
            "select as_of, value from daily_kpis union all select as_of, value from marts.recommendations"
        ).fetchall()


def editions(settings: Settings) -> list[int]:
    with connect(settings, PUBLISHER) as connection:
        return [
            row[0]
            for row in connection.execute("select distinct edition from published.daily_kpis order by 1").fetchall()
        ]


def test_bi_gets_the_night_and_its_last_days_only(served: Settings) -> None:
    publish(served, D1)
    assert seen(served) == [(D1, 1), (D1, 1)]
    assert bi.current_night(served) == D1
    publish(served, D2)
    assert seen(served) == [(D2, 1), (D2, 1)]


def test_a_transaction_keeps_its_night(served: Settings) -> None:
    publish(served, D1)
    with reader_of(served) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with reader.transaction():
            assert reader.execute("select as_of from daily_kpis").fetchall() == [(D1,)]
            for night in (D2, D3):
                publish(replace(served, keep_nights=1), night)
            assert reader.execute("select as_of from recommendations").fetchall() == [(D1,)]
        assert reader.execute("select as_of from recommendations").fetchall() == [(D3,)]


def test_a_superseded_attempt_shows_nothing(served: Settings) -> None:
    publish(served, D1)
    build_marts(served, D2)
    orphan = take(served, "publish", "bi")
    take(served, "publish", "bi")
    with pytest.raises(Superseded):
        bi.publish(served, D2, orphan)
    assert bi.current_night(served) == D1
    assert len(editions(served)) == 2  # the orphan's rows, which nobody sees
    publish(served, D3)
    assert seen(served) == [(D3, 1), (D3, 1)]
    assert len(editions(served)) == 2


def test_an_orphan_that_wakes_up_late_takes_nothing_of_its_successor(
    served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(served, D1)
    build_marts(served, D2)
    orphan = take(served, "publish", "bi")

    def successor(point: str) -> None:
        fault_point(point)
        monkeypatch.setattr(pointer, "fault_point", fault_point)
        publish(served, D3)

    monkeypatch.setattr(pointer, "fault_point", successor)
    with pytest.raises(Superseded):
        bi.publish(served, D2, orphan)
    assert seen(served) == [(D3, 1), (D3, 1)]


def test_rows_that_a_successor_is_about_to_show_are_left_alone(
    served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before has just shown its night, and cleans up while the next one has put its rows but not shown them."""
    build_marts(served, D1)
    next_one: list[int] = []

    def successor_puts_its_rows(point: str) -> None:
        if point == "publish.shown":
            with connect(served, PUBLISHER) as connection, connection.transaction():
                next_one.append(pointer._next(connection))
                pointer._copy(served, connection, next_one[0], D1)

    monkeypatch.setattr(pointer, "fault_point", successor_puts_its_rows)
    bi.publish(served, D1, take(served, "publish", "bi"))
    assert next_one[0] in editions(served)


def test_an_attempt_that_shows_nothing_leaves_the_views_as_they_are(served: Settings) -> None:
    """Whatever columns its marts have, and where one of them has another type than before."""
    publish(served, D1)
    build_marts(served, D2, ", note text default 'new'")
    orphan = take(served, "publish", "bi")
    take(served, "publish", "bi")
    with pytest.raises(Superseded):
        bi.publish(served, D2, orphan)
    with reader_of(served) as reader:
        assert len(reader.execute("select * from daily_kpis").description or ()) == 3
    with connect(served, TRANSFORMER) as connection:
        connection.execute("alter table built.daily_kpis alter column value type numeric(18, 6)")
    with pytest.raises(NightmarketError, match="mart daily_kpis: value is numeric.18,6. now and integer in what BI"):
        bi.publish(served, D2, take(served, "publish", "bi"))
    assert seen(served) == [(D1, 1), (D1, 1)]


def test_a_mart_that_is_no_more_leaves_with_the_next_night(served: Settings) -> None:
    publish(served, D1)
    with connect(served, TRANSFORMER) as connection:
        connection.execute("drop table built.recommendations")
    bi.publish(served, D2, take(served, "publish", "bi"))
    with reader_of(served) as reader, pytest.raises(psycopg.errors.UndefinedTable):
        reader.execute("select * from recommendations")


def test_rollback_points_at_the_kept_night(served: Settings) -> None:
    publish(served, D1)
    publish(served, D2)
    assert bi.rollback(served, None, dry_run=True) == {"from": str(D2), "to": str(D1), "dry_run": True}
    assert bi.current_night(served) == D2
    bi.rollback(served, None, dry_run=False)
    assert seen(served) == [(D1, 1), (D1, 1)]
    with pytest.raises(UsageError, match="kept nights: 2024-05-01, 2024-05-02"):
        bi.rollback(served, D3, dry_run=False)


def test_a_night_published_again_is_the_one_that_is_kept(served: Settings) -> None:
    publish(served, D1)
    publish(served, D1)
    assert bi.published(served) == [D1]
    publish(replace(served, bi_timeout_minutes=0), D2)
    assert len(editions(served)) == 2


def test_an_edition_goes_when_no_reader_can_be_in_it(served: Settings) -> None:
    settings = replace(served, keep_nights=1)
    publish(settings, D1)
    publish(settings, D2)
    assert len(editions(settings)) == 2  # superseded a moment ago: a reader may still be at it
    publish(replace(settings, bi_timeout_minutes=0), D3)
    assert len(editions(settings)) == 1
    assert seen(settings) == [(D3, 1), (D3, 1)]


def test_a_new_column_of_a_mart_arrives_on_top_of_old_editions(served: Settings) -> None:
    publish(served, D1)
    build_marts(served, D2, ", note text default 'new'")
    bi.publish(served, D2, take(served, "publish", "bi"))
    with reader_of(served) as reader:
        assert reader.execute("select as_of, note from daily_kpis").fetchall() == [(D2, "new")]
        bi.rollback(served, None, dry_run=False)
        assert reader.execute("select as_of, note from daily_kpis").fetchall() == [(D1, None)]
    publish(served, D3)  # and away again
    with reader_of(served) as reader:
        assert [c.name for c in reader.execute("select * from daily_kpis").description or ()] == [
            "as_of", "event_date", "value",
        ]  # fmt: skip


def test_a_warehouse_without_marts_publishes_nothing(served: Settings) -> None:
    with pytest.raises(NightmarketError, match="no marts"):
        bi.publish(served, D1, take(served, "publish", "bi"))
    assert bi.current_night(served) is None


DENIED = [
    "create table marts.x (a int)",
    "create temporary table x (a int)",
    "create schema x",
    "create view marts.y as select 1",
    "insert into daily_kpis (value) values (1)",
    "update daily_kpis set value = 2",
    "delete from marts.daily_kpis",
    "truncate published.daily_kpis",
    "drop view marts.daily_kpis",
    "select * from published.daily_kpis",
    "select * from built.daily_kpis",
    "select * from raw.events",
    "select * from scores.recommendations",
    "select * from ops.runs",
    "select * from ops.current_night",
    "select ops.end_long_readers(interval '0')",
    "select nextval('ops.edition_numbers')",
    "copy daily_kpis to '/tmp/out.csv'",
    "copy daily_kpis to program 'cat'",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('/')",
    "select lo_import('/etc/passwd')",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
    "select pg_advisory_lock(7120002)",
    "select pg_try_advisory_xact_lock_shared(7120001, 1)",
    "set role owner",
    "set role loader",
    "set session authorization publisher",
    "set log_statement = 'none'",
    "alter role bi_reader superuser",
    "alter system set max_connections = 1",
    "create extension dblink",
    "select rolpassword from pg_authid",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'loader'",
]


@pytest.mark.parametrize("sql", DENIED)
def test_a_reader_can_do_nothing_but_read(served: Settings, sql: str) -> None:
    """Not even one that has switched its own defaults off, which PostgreSQL lets anybody do."""
    publish(served, D1)
    with open_warehouse(served), reader_of(served) as reader:
        reader.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.Error):
            reader.execute(sql.encode()).fetchall()
    assert seen(served) == [(D1, 1), (D1, 1)]


def test_a_reader_sees_no_other_database(postgres: Server, served: Settings) -> None:
    for database in ("airflow", "mlflow", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            postgres.connect("bi_reader", database)


def test_a_long_query_is_ended_by_its_time_out(served: Settings) -> None:
    with reader_of(served) as reader:
        assert reader.execute("show statement_timeout").fetchone() == ("10min",)
        reader.execute("set statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            reader.execute("select pg_sleep(600)")


def test_a_long_query_that_switched_its_time_out_off_is_ended_all_the_same(served: Settings) -> None:
    publish(served, D1)
    with connect(served, PUBLISHER) as publisher, reader_of(served) as reader, reader_of(served) as idle:
        reader.execute("set statement_timeout = 0")
        with reader.transaction(force_rollback=True) as _, pytest.raises(psycopg.OperationalError, match="terminating"):
            reader.execute("select 1")
            assert pointer.end_long_readers(served, publisher) == 0  # ten minutes are not over
            assert pointer.end_long_readers(replace(served, bi_timeout_minutes=0), publisher) >= 1
            reader.execute("select 1")
        assert idle.execute("select 1").fetchone() == (1,)


def test_query_asks_as_a_reader(served: Settings, tmp_path: Path) -> None:
    publish(served, D1)
    assert bi.ask(served, "select value as v from marts.daily_kpis", 10) == (["v"], [(1,)])
    with pytest.raises(NightmarketError, match="query failed: permission denied"):
        bi.ask(served, "select * from raw.events", 10)
