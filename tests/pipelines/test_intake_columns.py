"""CSV and Parquet files in landing, whole and broken, become rows of text columns; expected counts are by hand."""

import csv
import datetime as dt
import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines import framing, intake
from pipelines.contracts import EVENTS, USERS, Entity
from pipelines.csv_records import CsvFile
from pipelines.settings import Settings
from tests.pipelines.landed import deliver, framed, one, values


# ---- CSV -------------------------------------------------------------------------------------------------------
def test_csv_columns_are_text_missing_ones_null_extra_ones_named(settings: Settings) -> None:
    file, rows = one(settings, "a.csv", b"user_id,colour,shoe\n007,red,\n,blue,44\n")
    assert file.note == "ignored columns: colour, shoe"
    assert values(rows) == ["007", None]
    assert values(rows, "attributes") == [None, None]
    assert [row["line"] for row in rows] == [2, 3]


def test_a_quoted_field_may_hold_line_feeds_commas_and_quotes(settings: Settings) -> None:
    data = b'user_id,attributes\r\nu1,"{""a"":\r\n\r\n1,2}"\r\n\r\nu2,x\r\n'
    _, rows = one(settings, "a.csv", data)
    assert values(rows, "attributes") == ['{"a":\r\n\r\n1,2}', "x"]
    assert [row["line"] for row in rows] == [2, 6]


def test_a_quote_that_is_never_closed_swallows_nothing(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b'user_id,attributes\nu1,a\nu2,"b\nu3,c\nu4,d\n')
    assert values(rows) == ["u1", None, "u3", "u4"]
    assert rows[1]["unreadable"] == 'u2,"b'
    assert rows[1]["unreadable_reason"] == "a quote is never closed"


def test_stray_inch_marks_do_not_join_lines(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b'user_id,attributes\nu1,5" nail\nu2,6" nail\nu3,c\n')
    assert values(rows, "attributes") == ['5" nail', '6" nail', "c"]


def test_a_wrong_number_of_fields_is_said(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b"user_id,attributes\nu1\nu2,a\nu3,a,b\n")
    assert values(rows, "unreadable_reason") == ["1 fields instead of 2", None, "3 fields instead of 2"]
    assert values(rows, "unreadable") == ["u1", None, "u3,a,b"]


def test_bad_bytes_spoil_their_own_record_only(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b"\xef\xbb\xbfuser_id,attributes\nu1,\xe9\nu2,\0\nu3,ok\n")
    reasons = ["invalid UTF-8 at byte 4", "NUL byte in line", None]
    assert values(rows, "unreadable_reason") == reasons
    assert values(rows) == [None, None, "u3"]


@pytest.mark.parametrize(
    ("data", "count", "reason"),
    [
        (b"u1,x\nu2,y\n", 2, "header names no column of users"),  # the first row is data: it is kept too
        (b"user_id,user_id\nu1,x\n", 2, "header names user_id twice"),
        (b'"user_id,attributes\nu1,x\n', 2, "header: a quote is never closed"),
    ],
)
def test_without_a_usable_header_every_line_is_kept_whole(
    settings: Settings, data: bytes, count: int, reason: str
) -> None:
    file, rows = one(settings, "a.csv", data)
    assert (file.rows_in, file.note) == (count, reason)
    assert values(rows, "unreadable") == data.decode().splitlines()
    assert set(values(rows, "unreadable_reason")) == {reason}


def test_a_header_alone_is_an_empty_file(settings: Settings) -> None:
    file, rows = one(settings, "a.csv", b"user_id,attributes\n")
    assert (rows, file.rows_in, file.note) == ([], 0, "empty file")


_fields = st.sampled_from(["", "a", 'q"q', "c,c", "n\nn", "r\r\nr", "é", " "])


@given(rows=st.lists(st.tuples(_fields, _fields, _fields), max_size=12), block=st.integers(5, 80))
@hypothesis_settings(max_examples=200, deadline=None)
def test_well_formed_csv_reads_back_whatever_the_block_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "well.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("x", "y", "z"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "BLOCK", block)
        source = CsvFile(path)
        records = list(source)
    read = [tuple(row.values()) for block_ in records for row in block_.columns.to_pylist()]
    assert read == [tuple(value or None for value in row) for row in rows]
    assert source.rows == len(rows) and not any(block_.bad for block_ in records)


def test_a_truncated_csv_gzip_keeps_whole_records(settings: Settings) -> None:
    text = b"user_id,attributes\n" + b"".join(b'u%d,"a\nb"\n' % (n * n) for n in range(20_000))
    zipped = gzip.compress(text)
    file, rows = one(settings, "a.csv.gz", zipped[: len(zipped) // 2])
    assert file.note == "gzip is truncated"
    whole = [row for row in rows if row["unreadable_reason"] is None]
    assert values(whole) == [f"u{n * n}" for n in range(len(whole))]
    assert {row["attributes"] for row in whole} == {"a\nb"} and len(whole) > 5_000
    # the cut may fall inside a quoted field: its first half, then the rest that is missing
    assert len(rows) - len(whole) in (1, 2) and rows[-1]["unreadable_reason"] == "gzip is truncated"


# ---- Parquet ---------------------------------------------------------------------------------------------------
def parquet(settings: Settings, table: pa.Table, entity: Entity) -> None:
    path = deliver(settings, "a.parquet", b"", entity)
    pq.write_table(table, path)


def test_typed_parquet_columns_become_text_that_keeps_the_value(settings: Settings) -> None:
    at = dt.datetime(2026, 11, 1, 8, 0, 0, 5, tzinfo=dt.UTC)
    table = pa.table(
        {
            "event_id": pa.array([1], pa.int64()),
            "occurred_at": pa.array([at], pa.timestamp("us", "Europe/Berlin")),
            "event_type": pa.array(["view"]).dictionary_encode(),
            "quantity": pa.array([3], pa.int8()),
            "unit_price": pa.array([Decimal("1.230")], pa.decimal128(9, 3)),
            "position": pa.array([0.1], pa.float64()),
        }
    )
    parquet(settings, table, EVENTS)
    _, rows = framed(settings, EVENTS)
    expected = {
        "event_id": "1",
        "occurred_at": "2026-11-01T08:00:00.000005Z",
        "event_type": "view",
        "quantity": "3",
        "unit_price": "1.230",
        "position": "0.1",
        "line": 1,
        "user_id": None,
    }
    assert {k: rows[0][k] for k in expected} == expected


def test_a_time_without_a_zone_stays_without_one() -> None:
    naive = pa.array([dt.datetime(2026, 11, 1, 8)], pa.timestamp("s"))
    assert intake.as_text(naive).to_pylist() == ["2026-11-01T08:00:00"]


def test_maps_become_json_and_line_and_unreadable_are_taken_over(settings: Settings) -> None:
    table = pa.table(
        {
            "user_id": ["u1", None],
            "attributes": pa.array([[("land", "Österreich")], None], pa.map_(pa.string(), pa.string())),
            "line": pa.array([7, 9], pa.int64()),
            "unreadable": [None, "u2;broken"],
            "unreadable_reason": [None, "1 fields instead of 2"],
        }
    )
    parquet(settings, table, USERS)
    _, rows = framed(settings)
    assert json.loads(rows[0]["attributes"]) == {"land": "Österreich"}
    assert [row["line"] for row in rows] == [7, 9]
    assert (rows[1]["unreadable"], rows[1]["unreadable_reason"]) == ("u2;broken", "1 fields instead of 2")


def test_parquet_text_that_is_no_text_makes_its_row_unreadable(settings: Settings) -> None:
    table = pa.table({"user_id": pa.array([b"u1", b"\xff", b"a\0b", b"u4"]).view(pa.string())})
    parquet(settings, table, USERS)
    _, rows = framed(settings)
    assert values(rows) == ["u1", None, None, "u4"]
    assert [row["unreadable_reason"] is None for row in rows] == [True, False, False, True]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"user_id\nu1\n"])
def test_a_parquet_file_that_is_none_is_one_unreadable_row(settings: Settings, data: bytes) -> None:
    file, rows = one(settings, "a.parquet", data)
    assert file.rows_in == 1 and file.note.startswith("not a Parquet file: ")
    assert rows[0]["unreadable_reason"] == file.note


def test_a_damaged_page_costs_one_row_and_is_said(settings: Settings) -> None:
    path = deliver(settings, "a.parquet", b"")
    table = pa.table({"user_id": [f"u{n}" for n in range(3000)]})
    pq.write_table(table, path, row_group_size=1000, compression="zstd", use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + 60 : chunk.data_page_offset + 400] = b"\xff" * 340
    path.write_bytes(data)
    file, rows = one(settings, "a.parquet", bytes(data))
    assert file.note.startswith(f"Parquet is damaged after row {file.rows_in - 1} of 3000")
    assert [row["unreadable_reason"] is None for row in rows] == [True] * (file.rows_in - 1) + [False]
