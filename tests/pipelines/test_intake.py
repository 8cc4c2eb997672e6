"""Real bytes for every way a landing file can be broken; the expected counts are written by hand."""

import datetime as dt
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines import framing, intake
from pipelines.contracts import EVENTS, USERS, Entity
from pipelines.errors import NightmarketError
from pipelines.settings import Settings, night

DAY = dt.date(2026, 11, 1)
GOOD = b'{"user_id":"u1"}\n{"user_id":"u2"}\n{"user_id":"u3"}\n'


def deliver(settings: Settings, name: str, data: bytes, entity: Entity = USERS) -> Path:
    folder = settings.landing / settings.shop / entity.name / f"date={DAY}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def framed(settings: Settings, entity: Entity = USERS) -> tuple[intake.Framed, list[dict]]:
    out = settings.staging / "intake"
    result = intake.frame(settings, night(DAY), entity, out)
    rows = [row for path in (*result.lines, *result.columns) for row in pq.read_table(path).to_pylist()]
    return result, rows


def one(settings: Settings, name: str, data: bytes) -> tuple[intake.FramedFile, list[dict]]:
    """Frame a single file: its count, and its rows in the order of their lines."""
    deliver(settings, name, data)
    result, rows = framed(settings)
    assert len(result.files) == 1
    assert result.files[0].rows_in == len(rows)
    return result.files[0], sorted(rows, key=lambda row: row["line"])


# ---- JSON-lines ------------------------------------------------------------------------------------------------
def test_json_lines_become_one_text_a_row_with_provenance(settings: Settings) -> None:
    file, rows = one(settings, "a.jsonl", GOOD)
    assert (file.rows_in, file.note, file.bytes) == (3, "", len(GOOD))
    assert rows[1] == {
        "landing_date": DAY,
        "file": f"date={DAY}/a.jsonl",
        "line": 2,
        "raw": '{"user_id":"u2"}',
        "unreadable_reason": None,
    }


def test_a_truncated_gzip_keeps_whole_lines_and_makes_its_rest_one_unreadable_row(settings: Settings) -> None:
    text = b"".join(b'{"user_id":"%d"}\n' % (n * n) for n in range(20_000))
    zipped = gzip.compress(text)
    half = zipped[: len(zipped) // 2]
    file, rows = one(settings, "a.jsonl.gz", half)
    assert file.note == "gzip is truncated"
    assert [row["unreadable_reason"] for row in rows[-2:]] == [None, "gzip is truncated"]
    whole = text.split(b"\n")
    assert [row["raw"].encode() for row in rows[:-1]] == whole[: len(rows) - 1]
    assert whole[len(rows) - 1].startswith(rows[-1]["raw"].encode())


def test_damage_inside_a_gzip_is_said_and_keeps_what_came_before(settings: Settings) -> None:
    first, second = gzip.compress(GOOD), gzip.compress(GOOD)
    file, rows = one(settings, "a.jsonl.gz", first + second[:10] + b"\xff" * 40)
    assert file.note == "gzip is damaged"
    assert [row["unreadable_reason"] for row in rows] == [None, None, None, "gzip is damaged"]


def test_gzip_members_may_be_concatenated(settings: Settings) -> None:
    file, rows = one(settings, "a.jsonl.gz", gzip.compress(GOOD) + gzip.compress(GOOD))
    assert (file.rows_in, file.note) == (6, "")
    assert rows[5]["line"] == 6


def test_plain_text_named_gz_is_read_all_the_same(settings: Settings) -> None:
    file, _ = one(settings, "a.jsonl.gz", GOOD)
    assert (file.rows_in, file.note) == (3, "named .gz but is not gzip")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'ok\n{"t":"caf\xe9"}\nok\n', "invalid UTF-8 at byte 10"),
        (b"ok\nnul\0byte\nok\n", "NUL byte in line"),
    ],
)
def test_bytes_that_are_no_text_spoil_their_own_line_only(settings: Settings, data: bytes, reason: str) -> None:
    _, rows = one(settings, "a.jsonl", data)
    assert [row["unreadable_reason"] for row in rows] == [None, reason, None]
    assert "�" in rows[1]["raw"] and "\0" not in rows[1]["raw"]


@pytest.mark.parametrize(
    ("data", "texts", "lines"),
    [
        (b"a\r\nb\r\n", ["a", "b"], [1, 2]),
        (b"a\nb", ["a", "b"], [1, 2]),  # no line feed at the end
        (b"\n\na\n\r\n\nb\n", ["a", "b"], [3, 6]),  # blank lines are no rows, but they are counted as lines
        (b"a\r\r\nb\r", ["a\r", "b"], [1, 2]),
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"], [1, 2]),  # byte order mark
        (b" \n", [" "], [1]),  # a space is something: preprocess says what is wrong with it
        (b"x" * 10_240 + b"\nb\n", ["x" * 10_240, "b"], [1, 2]),
    ],
)
def test_line_ends(settings: Settings, data: bytes, texts: list[str], lines: list[int]) -> None:
    file, rows = one(settings, "a.jsonl", data)
    assert [row["raw"] for row in rows] == texts
    assert [row["line"] for row in rows] == lines
    assert file.rows_in == len(texts)


@pytest.mark.parametrize("size", [(1 << 20) + 1, 9 << 20])  # inside one block, and across several
def test_an_overlong_line_is_cut_and_its_length_noted(settings: Settings, size: int) -> None:
    _, rows = one(settings, "a.jsonl", b"a\n" + b"x" * size + b"\nb\n")
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert rows[1]["raw"] == "x" * (64 << 10)
    assert rows[1]["unreadable_reason"] == f"line of {size} bytes is above {1 << 20}"
    assert rows[2]["raw"] == "b"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz"])
def test_an_empty_file_has_no_rows(settings: Settings, name: str) -> None:
    file, rows = one(settings, name, b"")
    assert (rows, file.rows_in, file.note) == ([], 0, "empty file")


@given(data=st.binary(max_size=300) | st.text('ab\n\r\0é"', max_size=60).map(str.encode), block=st.integers(3, 50))
@hypothesis_settings(max_examples=300, deadline=None)
def test_rows_are_lines_for_any_bytes_and_any_block_size(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int
) -> None:
    data = data.removeprefix(b"\x1f\x8b")  # gzip has its own tests
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "BLOCK", block)
        blocks = list(framing.read_lines(framing.ByteFile(path)))
    expected = {
        number: line.removesuffix(b"\r")
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
        if line not in (b"", b"\r")
    }
    found: dict[int, bytes | None] = {}
    for lines in blocks:
        texts, numbers, bad = framing.strings_of(lines)
        found |= dict(zip(numbers.tolist(), [t.encode() for t in texts.to_pylist()], strict=True))
        found |= {row.line: None for row in bad}
    assert found.keys() == expected.keys() and sum(len(lines.numbers) for lines in blocks) == len(expected)
    assert all(text is None or text == expected[number] for number, text in found.items())


# ---- CSV -------------------------------------------------------------------------------------------------------
def csv_values(rows: list[dict], column: str = "user_id") -> list[str | None]:
    return [row[column] for row in rows]


def test_csv_columns_are_text_missing_ones_null_extra_ones_named(settings: Settings) -> None:
    file, rows = one(settings, "a.csv", b"user_id,colour,shoe\n007,red,\n,blue,44\n")
    assert file.note == "ignored columns: colour, shoe"
    assert csv_values(rows) == ["007", None]
    assert csv_values(rows, "attributes") == [None, None]
    assert [row["line"] for row in rows] == [2, 3]


def test_a_quoted_field_may_hold_line_feeds_commas_and_quotes(settings: Settings) -> None:
    data = b'user_id,attributes\r\nu1,"{""a"":\r\n\r\n1,2}"\r\n\r\nu2,x\r\n'
    _, rows = one(settings, "a.csv", data)
    assert csv_values(rows, "attributes") == ['{"a":\r\n\r\n1,2}', "x"]
    assert [row["line"] for row in rows] == [2, 6]


def test_a_quote_that_is_never_closed_swallows_nothing(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b'user_id,attributes\nu1,a\nu2,"b\nu3,c\nu4,d\n')
    assert csv_values(rows) == ["u1", None, "u3", "u4"]
    assert rows[1]["unreadable"] == 'u2,"b'
    assert rows[1]["unreadable_reason"] == "a quote is never closed"


def test_stray_inch_marks_do_not_join_lines(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b'user_id,attributes\nu1,5" nail\nu2,6" nail\nu3,c\n')
    assert csv_values(rows, "attributes") == ['5" nail', '6" nail', "c"]


def test_a_wrong_number_of_fields_is_said(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b"user_id,attributes\nu1\nu2,a\nu3,a,b\n")
    assert csv_values(rows, "unreadable_reason") == ["1 fields instead of 2", None, "3 fields instead of 2"]
    assert csv_values(rows, "unreadable") == ["u1", None, "u3,a,b"]


def test_bad_bytes_spoil_their_own_record_only(settings: Settings) -> None:
    _, rows = one(settings, "a.csv", b"\xef\xbb\xbfuser_id,attributes\nu1,\xe9\nu2,\0\nu3,ok\n")
    reasons = ["invalid UTF-8 at byte 4", "NUL byte in line", None]
    assert csv_values(rows, "unreadable_reason") == reasons
    assert csv_values(rows) == [None, None, "u3"]


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
    assert csv_values(rows, "unreadable") == data.decode().splitlines()
    assert set(csv_values(rows, "unreadable_reason")) == {reason}


def test_a_header_alone_is_an_empty_file(settings: Settings) -> None:
    file, rows = one(settings, "a.csv", b"user_id,attributes\n")
    assert (rows, file.rows_in, file.note) == ([], 0, "empty file")


_fields = st.sampled_from(["", "a", 'q"q', "c,c", "n\nn", "r\r\nr", "é", " "])


@given(rows=st.lists(st.tuples(_fields, _fields, _fields), max_size=12), block=st.integers(5, 80))
@hypothesis_settings(max_examples=200, deadline=None)
def test_well_formed_csv_reads_back_whatever_the_block_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], block: int
) -> None:
    import csv

    from pipelines.csv_records import CsvFile

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
    assert csv_values(rows) == ["u1", None, None, "u4"]
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


def test_a_file_of_unknown_kind_is_never_passed_over(settings: Settings) -> None:
    file, rows = one(settings, "notes.txt", b"hello")
    assert (file.rows_in, rows[0]["unreadable_reason"]) == (1, "not a .jsonl, .csv or .parquet file")


# ---- several files ---------------------------------------------------------------------------------------------
def test_many_small_files_share_a_part_and_keep_their_own_counts(settings: Settings) -> None:
    deliver(settings, "b.jsonl", GOOD)
    deliver(settings, "a.jsonl", GOOD[: len(GOOD) // 3])
    deliver(settings, "c.csv", b"user_id\nu9\n")
    result, rows = framed(settings)
    assert [(f.file.split("/")[1], f.rows_in) for f in result.files] == [("a.jsonl", 1), ("b.jsonl", 3), ("c.csv", 1)]
    assert (len(result.lines), len(result.columns), result.rows_in, len(rows)) == (1, 1, 5, 5)


def test_a_batch_without_files_frames_nothing(settings: Settings) -> None:
    (settings.landing / settings.shop).mkdir(parents=True)
    result, rows = framed(settings)
    assert (result.files, result.lines, result.columns, rows) == ([], [], [], [])


def test_parts_roll_over_without_losing_a_row(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "ROW_GROUP", 2)
    monkeypatch.setattr(intake, "ROWS_PER_PART", 4)
    monkeypatch.setattr(framing, "BLOCK", 40)
    deliver(settings, "a.jsonl", GOOD * 3)
    result, rows = framed(settings)
    assert len(result.lines) > 1
    assert [row["line"] for row in rows] == list(range(1, 10))


def test_a_row_lost_on_the_way_stops_the_step(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_bad_rows", lambda file, schema, bad: schema.empty_table())
    deliver(settings, "a.jsonl", b"ok\n\xff\n")
    with pytest.raises(NightmarketError, match=r"a\.jsonl has 2 rows but 1 were framed"):
        framed(settings)


def test_a_truncated_csv_gzip_keeps_whole_records(settings: Settings) -> None:
    text = b"user_id,attributes\n" + b"".join(b'u%d,"a\nb"\n' % (n * n) for n in range(20_000))
    zipped = gzip.compress(text)
    file, rows = one(settings, "a.csv.gz", zipped[: len(zipped) // 2])
    assert file.note == "gzip is truncated"
    whole = [row for row in rows if row["unreadable_reason"] is None]
    assert csv_values(whole) == [f"u{n * n}" for n in range(len(whole))]
    assert {row["attributes"] for row in whole} == {"a\nb"} and len(whole) > 5_000
    # the cut may fall inside a quoted field: its first half, then the rest that is missing
    assert len(rows) - len(whole) in (1, 2) and rows[-1]["unreadable_reason"] == "gzip is truncated"
