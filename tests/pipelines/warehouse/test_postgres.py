"""What only PostgreSQL has: roles, a server that goes away, and builders that must not meet."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.contracts import SCORES_SHORT_LISTS
from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.settings import Settings
from pipelines.warehouse import build_alone, insert, open_warehouse
from pipelines.warehouse.postgres import OWNER, PUBLISHER, TRANSFORMER, connect
from tests.postgres import Server, free_port

DAY = date(2024, 5, 1)


def test_a_new_contract_column_is_added_to_old_data(served: Settings) -> None:
    open_warehouse(served).close()
    with connect(served, OWNER) as owner:
        owner.execute("alter table raw.events drop column charge_code")
        owner.execute("insert into raw.events (event_date, event_id) values (current_date, 'old')")
    with open_warehouse(served) as connection:
        assert connection.execute("select event_id, charge_code from raw.events").fetchall() == [("old", None)]


def test_vectors_come_back_bit_by_bit(served: Settings) -> None:
    open_warehouse(served).close()
    drawn = np.random.default_rng(7).normal(0, 1e-3, (500, 8)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(drawn.ravel()), 8)
    names = [f"v{n:03d}" for n in range(500)]
    rows = pa.table({"name": [*names, "none"], "v": pa.concat_arrays([vectors, pa.nulls(1, vectors.type)])})
    with connect(served, OWNER) as owner:
        owner.execute("create table raw.vectors (name text, v real[])")
        assert owner.insert("raw.vectors", rows) == 501
        found = owner.reader("select v from raw.vectors where v is not null order by name").read_all()["v"]
        assert found.type == pa.list_(pa.float32())
        assert (found.combine_chunks().flatten().to_numpy().reshape(500, 8) == drawn).all()
        assert owner.reader("select v from raw.vectors where v is null").read_all()["v"].to_pylist() == [None]


def test_a_key_is_kept_by_the_database(served: Settings) -> None:
    rows = pa.table({"scored_for": [DAY, DAY], "reason": ["r", "r"], "users": [1, 2]})
    with open_warehouse(served) as connection:
        with pytest.raises(NightmarketError, match="duplicate key"):
            insert(connection, SCORES_SHORT_LISTS, rows)
        assert connection.execute("select count(*) from scores.short_lists").fetchone() == (0,)


@pytest.mark.parametrize(
    ("role", "sql"),
    [
        ("loader", "create table raw.x (a int)"),
        ("loader", "drop table raw.events"),
        ("loader", "delete from features.x"),
        ("loader", "update ops.current_night set edition = 1"),
        (TRANSFORMER, "delete from raw.events"),
        (TRANSFORMER, "delete from ops.runs"),
        (TRANSFORMER, "create table marts.x (a int)"),
        (PUBLISHER, "delete from raw.events"),
        (PUBLISHER, "select * from scores.recommendations"),
        (PUBLISHER, "delete from ops.runs"),
    ],
)
def test_a_role_may_do_its_own_part_only(served: Settings, role: str, sql: str) -> None:
    open_warehouse(served).close()
    with connect(served, TRANSFORMER) as transformer:
        transformer.execute("create table features.x (a int)")
    with connect(served, role) as connection, pytest.raises(NightmarketError, match="permission denied|must be owner"):
        connection.execute(sql)


def test_a_setting_with_a_password_or_a_role_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for more in ("password=hunter2", "user=owner"):
        with pytest.raises(UsageError, match="PGPASSFILE") as refused:
            open_warehouse(Settings(home=tmp_path, postgres=f"host=h dbname=d {more}"))
        assert "hunter2" not in str(refused.value)


def test_a_percent_sign_and_a_row_of_one_null_are_what_they_are(served: Settings) -> None:
    with open_warehouse(served) as connection:
        asked = "select x from (values ('a'), (null), ('b')) t(x) where 5 % 2 = 1"
        assert connection.reader(asked).read_all()["x"].to_pylist() == ["a", None, "b"]
        assert connection.reader(f"{asked} and x = ?", ["b"]).read_all()["x"].to_pylist() == ["b"]


def test_two_builders_never_meet(served: Settings) -> None:
    with build_alone(served), pytest.raises(Unavailable, match="another process builds"), build_alone(served):
        pass
    with build_alone(served):
        pass


def test_a_reading_connection_writes_nothing(served: Settings) -> None:
    open_warehouse(served).close()
    with open_warehouse(served, read_only=True) as connection, pytest.raises(NightmarketError, match="read-only"):
        connection.execute("delete from ops.runs")


def test_no_server_is_said_in_one_line_and_worth_another_try(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, postgres=f"host=127.0.0.1 port={free_port()} dbname=warehouse")
    with pytest.raises(Unavailable, match="does not answer: .*; start it") as caught:
        open_warehouse(settings)
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_said_without_one(
    served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "pgpass"
    wrong.write_text("*:*:*:*:hunter2")
    wrong.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(wrong))
    with pytest.raises(NightmarketError, match="refuses loader: .*PGPASSFILE") as caught:
        open_warehouse(served)
    assert not isinstance(caught.value, Unavailable)
    assert "hunter2" not in str(caught.value)


def test_a_server_killed_in_mid_transaction_has_nothing_of_it(own_server: Server, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, postgres=own_server.conninfo)
    rows = pa.table({"scored_for": [DAY], "reason": ["r"], "users": [1]})
    with open_warehouse(settings) as connection:
        insert(connection, SCORES_SHORT_LISTS, rows)
        with pytest.raises(Unavailable, match="went away: .*; run this again"), connection.transaction():
            connection.execute("delete from scores.short_lists")
            insert(connection, SCORES_SHORT_LISTS, pa.table({"scored_for": [DAY], "reason": ["s"], "users": [2]}))
            own_server.kill()
            connection.execute("select 1")
    own_server.start()
    with open_warehouse(settings) as connection:
        assert connection.execute("select reason, users from scores.short_lists").fetchall() == [("r", 1)]
