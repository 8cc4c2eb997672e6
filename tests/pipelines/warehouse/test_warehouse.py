"""Both warehouses: whole transactions, partitions, and a contract that may grow on top of old data."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from pipelines.contracts import RAW_TABLES, SCORES_SHORT_LISTS, TABLES
from pipelines.errors import NightmarketError, NoSuchTable
from pipelines.settings import Settings
from pipelines.warehouse import columns_of, insert, open_warehouse, replace_partition, transaction, upsert

D1, D2 = date(2024, 5, 1), date(2024, 5, 2)


def short_lists(day: date, users: list[int]) -> pa.Table:
    return pa.table({"scored_for": [day] * len(users), "reason": [f"r{u}" for u in users], "users": users})


def test_every_table_of_the_contract_exists(either: Settings) -> None:
    with open_warehouse(either) as connection:
        found = columns_of(connection, "raw", "scores", "ops")
    assert {name: tuple(found[name]) for name in TABLES} == {name: table.names for name, table in TABLES.items()}


def test_an_error_takes_the_whole_transaction_back(either: Settings) -> None:
    with open_warehouse(either) as connection:
        with pytest.raises(ZeroDivisionError), transaction(connection):
            insert(connection, SCORES_SHORT_LISTS, short_lists(D1, [1]))
            1 / 0  # noqa: B018
        assert connection.execute("select count(*) from scores.short_lists").fetchall() == [(0,)]


def test_a_partition_is_replaced_even_by_nothing(either: Settings) -> None:
    with open_warehouse(either) as connection:
        insert(connection, SCORES_SHORT_LISTS, short_lists(D1, [1, 2]))
        insert(connection, SCORES_SHORT_LISTS, short_lists(D2, [3]))
        assert replace_partition(connection, SCORES_SHORT_LISTS, "scored_for", D1, short_lists(D1, [])) == 0
        assert connection.execute("select users from scores.short_lists").fetchall() == [(3,)]


def test_only_a_column_of_the_contract_names_a_partition(either: Settings) -> None:
    with open_warehouse(either) as connection, pytest.raises(ValueError, match="no column"):
        replace_partition(connection, RAW_TABLES["events"], "x; drop table raw.events", D1, short_lists(D1, []))


HOSTILE = "'; drop table raw.events; -- ? % %s \" \\ , \n \u202e\u00e9"
EVENTS = pa.Table.from_pylist(
    [
        {
            "event_date": D1, "event_id": "a", "occurred_at": datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
            "event_type": "purchase", "quantity": 2, "unit_price": Decimal("-1234567890.123456"), "query": HOSTILE,
            "landing_date": D1, "file": "f", "line": 7,
        },
        {"event_date": D2, "event_id": "b", "query": "", "landing_date": D2},
    ],
    schema=pa.schema(
        [("event_date", pa.date32()), ("event_id", pa.string()), ("occurred_at", pa.timestamp("us", "UTC")),
         ("event_type", pa.string()), ("quantity", pa.int64()), ("unit_price", pa.decimal128(18, 6)),
         ("query", pa.string()), ("landing_date", pa.date32()), ("file", pa.string()), ("line", pa.int64())]
    ),
)  # fmt: skip


def test_rows_come_back_as_they_went_in(either: Settings) -> None:
    """Text that would end a statement, an empty one beside none at all, money to the last digit, microseconds."""
    names = ", ".join(EVENTS.schema.names)
    with open_warehouse(either) as connection:
        assert insert(connection, RAW_TABLES["events"], EVENTS) == 2
        sql = f"select {names} from raw.events where event_date between ? and ? order by event_id"
        assert connection.reader(sql, [D1, D2]).read_all().to_pylist() == EVENTS.to_pylist()
        assert connection.execute(sql, [D1, D2]).fetchall()[0][5] == Decimal("-1234567890.123456")
        assert connection.reader(sql, [D2, D1]).read_all().num_rows == 0


def test_a_row_is_written_by_key_with_values_that_are_never_sql(either: Settings) -> None:
    table = TABLES["ops.overrides"]
    with open_warehouse(either) as connection:
        upsert(connection, table, [{"night": HOSTILE, "entity": "events", "reason": HOSTILE, "rows_in": 3}])
        upsert(connection, table, [{"night": HOSTILE, "entity": "events", "rows_in": 4}])
        assert connection.execute("select night, reason, rows_in from ops.overrides").fetchall() == [
            (HOSTILE, HOSTILE, 4)
        ]


def test_a_table_that_nobody_made_is_told_from_other_errors(either: Settings) -> None:
    with open_warehouse(either) as connection, pytest.raises(NoSuchTable):
        connection.reader("select * from features.user_features")


def test_a_list_of_dates_is_one_value_also_when_it_is_empty(either: Settings) -> None:
    with open_warehouse(either) as connection:
        insert(connection, SCORES_SHORT_LISTS, short_lists(D1, [1, 2]))
        for days, found in (([D1, D2], 2), ([D2], 0), ([], 0)):
            sql = "select count(*) from scores.short_lists where scored_for = any(?)"
            assert connection.execute(sql, [days]).fetchone() == (found,)


def test_reading_before_the_first_night_says_what_to_do(tmp_path) -> None:
    with pytest.raises(NightmarketError, match="run `nightmarket history` first"):
        open_warehouse(Settings(home=tmp_path), read_only=True)
