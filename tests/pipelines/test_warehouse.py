"""The warehouse file: one writer, whole transactions, and a contract that may grow."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.contracts import RAW_TABLES, SCORES_SHORT_LISTS, TABLES
from pipelines.errors import NightmarketError
from pipelines.settings import Settings
from pipelines.tablehash import relation_hash
from pipelines.warehouse import insert, open_warehouse, replace_partition, transaction

D1, D2 = date(2024, 5, 1), date(2024, 5, 2)


def short_lists(day: date, users: list[int]) -> pa.Table:
    return pa.table({"scored_for": [day] * len(users), "reason": [f"r{u}" for u in users], "users": users})


def test_every_table_of_the_contract_exists(tmp_path: Path) -> None:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        found = connection.execute("select table_schema || '.' || table_name from information_schema.tables").fetchall()
    assert {name for (name,) in found} >= set(TABLES)


def test_a_new_contract_column_is_added_to_old_data(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings) as connection:
        connection.execute("alter table raw.events drop column charge_code")
        connection.execute("insert into raw.events (event_id) values ('old')")
    with open_warehouse(settings) as connection:
        assert connection.execute("select event_id, charge_code from raw.events").fetchall() == [("old", None)]


def test_an_error_takes_the_whole_transaction_back(tmp_path: Path) -> None:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        with pytest.raises(ZeroDivisionError), transaction(connection):
            insert(connection, SCORES_SHORT_LISTS, short_lists(D1, [1]))
            1 / 0  # noqa: B018
        assert connection.execute("select count(*) from scores.short_lists").fetchall() == [(0,)]


def test_a_partition_is_replaced_even_by_nothing(tmp_path: Path) -> None:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        insert(connection, SCORES_SHORT_LISTS, short_lists(D1, [1, 2]))
        insert(connection, SCORES_SHORT_LISTS, short_lists(D2, [3]))
        assert replace_partition(connection, SCORES_SHORT_LISTS, "scored_for", D1, short_lists(D1, [])) == 0
        assert connection.execute("select users from scores.short_lists").fetchall() == [(3,)]


def test_only_a_column_of_the_contract_names_a_partition(tmp_path: Path) -> None:
    with open_warehouse(Settings(home=tmp_path)) as connection, pytest.raises(ValueError, match="no column"):
        replace_partition(connection, RAW_TABLES["events"], "x; drop table raw.events", D1, short_lists(D1, []))


def test_reading_before_the_first_night_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NightmarketError, match="run `nightmarket history` first"):
        open_warehouse(Settings(home=tmp_path), read_only=True)


def test_a_table_hash_ignores_row_order_and_volatile_columns_only(tmp_path: Path) -> None:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        a = "(select * from (values (1, 'x', 'run1'), (2, null, 'run1')) t(id, name, run_id))"
        b = "(select * from (values (2, null, 'run2'), (1, 'x', 'run2')) t(id, name, run_id))"
        c = "(select * from (values (2, '', 'run2'), (1, 'x', 'run2')) t(id, name, run_id))"
        columns = ["id", "name", "run_id"]
        assert relation_hash(connection, a, columns) == relation_hash(connection, b, columns)
        assert relation_hash(connection, a, columns)[0] != relation_hash(connection, c, columns)[0]
