"""The marts of an embedded home on PostgreSQL, put there as a night puts them: built, then published."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from pipelines import bi
from pipelines.features import PROJECT
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from pipelines.warehouse.postgres import TRANSFORMER, connect

Rows = list[dict[str, Any]]


def publish_marts(
    home: Path, served: Settings, more: dict[str, Rows], only_where_empty: bool = False
) -> dict[str, int]:
    """Show BI in `served` the night that it sees in `home`, and the rows of `more` beside; returns the rows of each.

    Tables have the columns and types of the contracts of dbt; what a home from an older version has not got is null.
    """
    open_warehouse(served).close()  # makes the tables of `ops`
    embedded = Settings(home)
    night = bi.current_night(embedded)
    assert night is not None
    models = yaml.safe_load((PROJECT / "models" / "marts" / "_marts.yml").read_text())["models"]
    with duckdb.connect(str(embedded.bi), read_only=True) as source, connect(served, TRANSFORMER) as target:
        for model in models:
            table = f"built.{model['name']}"
            described = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in model["columns"])
            target.execute(f"create table {table} ({described})")
            found = _of_home(source, model)
            given = [] if only_where_empty and found.num_rows else more.get(model["name"], [])
            for rows in (found, _given(model, given)):
                if rows.num_rows:
                    target.insert(table, rows)
    return bi.publish(served, night, take(served, "publish", "bi"))


def _of_home(source: duckdb.DuckDBPyConnection, model: dict[str, Any]) -> pa.Table:
    asked = "select column_name from information_schema.columns where table_schema = 'marts' and table_name = ?"
    known = {name for (name,) in source.execute(asked, [model["name"]]).fetchall()}
    shared = [column["name"] for column in model["columns"] if column["name"] in known]
    if not shared:
        return pa.table({})
    names = ", ".join(f'"{name}"' for name in shared)
    return source.execute(f"select {names} from marts.{model['name']}").to_arrow_table()


def _given(model: dict[str, Any], rows: Rows) -> pa.Table:
    """Rows that name some of the columns; the others are null."""
    with duckdb.connect() as connection:
        described = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in model["columns"])
        connection.execute(f"create table given ({described})")
        for row in rows:
            names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
            connection.execute(f"insert into given ({names}) values ({marks})", list(row.values()))
        return connection.execute("select * from given").to_arrow_table()
