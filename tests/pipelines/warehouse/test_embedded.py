"""What only the DuckDB file has."""

from pathlib import Path

import duckdb

from pipelines.settings import Settings
from pipelines.tablehash import relation_hash
from pipelines.warehouse.embedded import open_warehouse


def test_a_new_contract_column_is_added_to_old_data(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings) as connection:
        connection.execute("alter table raw.events drop column charge_code")
        connection.execute("insert into raw.events (event_id) values ('old')")
    with open_warehouse(settings) as connection:
        assert connection.execute("select event_id, charge_code from raw.events").fetchall() == [("old", None)]


def test_a_table_hash_ignores_row_order_volatile_columns_and_zeros_of_money_only() -> None:
    with duckdb.connect() as connection:

        def digest(rows: str) -> str:
            return relation_hash(connection, f"(select * from (values {rows}) t(id, name, price, run_id))")[0]

        a = digest("(1, 'x', 1.5::decimal(9, 2), 'run1'), (2, null, null, 'run1')")
        assert a == digest("(2, null, null, 'run2'), (1, 'x', 1.50::decimal(18, 6), 'run2')")
        assert a != digest("(2, '', null, 'run2'), (1, 'x', 1.5::decimal(9, 2), 'run2')")
        assert a != digest("(2, null, null, 'run1'), (1, 'x', 1.51::decimal(9, 2), 'run1')")
