"""Lines of text in landing, whole and broken, and several files at once; expected counts are by hand."""

import errno
import gzip

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines import framing, intake, part_writer
from pipelines.errors import NightmarketError
from pipelines.settings import Settings
from tests.pipelines.landed import DAY, GOOD, deliver, framed, one


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
    monkeypatch.setattr(part_writer, "ROW_GROUP", 2)
    monkeypatch.setattr(part_writer, "ROWS_PER_PART", 4)
    monkeypatch.setattr(framing, "BLOCK", 40)
    deliver(settings, "a.jsonl", GOOD * 3)
    result, rows = framed(settings)
    assert len(result.lines) > 1
    assert [row["line"] for row in rows] == list(range(1, 10))


@pytest.mark.parametrize("rows", [1, 6])  # the only group, written at the end; the first of several
def test_a_full_disk_under_the_writing_thread_stops_the_step(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(part_writer.pq.ParquetWriter, "write_table", full)
    monkeypatch.setattr(part_writer, "ROW_GROUP", 2)
    monkeypatch.setattr(framing, "BLOCK", 40)
    deliver(settings, "a.jsonl", b'{"user_id":"u1"}\n' * rows)
    with pytest.raises(NightmarketError, match="intake of users: .*No space left on device"):
        framed(settings)


def test_a_row_lost_on_the_way_stops_the_step(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_bad_rows", lambda file, schema, bad: schema.empty_table())
    deliver(settings, "a.jsonl", b"ok\n\xff\n")
    with pytest.raises(NightmarketError, match=r"a\.jsonl has 2 rows but 1 were framed"):
        framed(settings)
