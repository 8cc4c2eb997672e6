"""CSV files from outside as records of text, whatever is wrong with them. Nothing here knows a contract."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from pipelines.framing import MAX_LINE, Bad, ByteFile, Lines, bad_row, decode, read_lines

csv.field_size_limit(2 * MAX_LINE)  # Python's default (128 KiB) would refuse fields that MAX_LINE allows

_QUOTE = 34


@dataclass(frozen=True)
class Records:
    """CSV records of one block: string columns named by position ("0", "1", ...), and the unreadable ones."""

    columns: pa.Table
    lines: np.ndarray  # physical line each record starts on, int64
    bad: list[Bad]


class CsvFile:
    """A CSV file with a header, as text. Empty fields, quoted or not, are null.

    A quote that is never closed cannot swallow what follows: lines are joined into one record only where the result
    has as many fields as the header; otherwise the line that opens the quote stands alone.
    """

    def __init__(self, path: Path) -> None:
        self.bytes = ByteFile(path)
        self.header: list[str] = []
        self.header_row: Bad | None = None  # the header line; its reason is empty when it is readable
        self.rows = 0  # records framed, header not counted
        self._blocks = self._framed()
        self._first = next(self._blocks, None)

    @property
    def note(self) -> str:
        return self.bytes.note

    def __iter__(self) -> Iterator[Records]:
        if self._first is not None:
            yield from self._parsed(self._first)
        for block in self._blocks:
            yield from self._parsed(block)

    def _parsed(self, block: "_Block") -> Iterator[Records]:
        if len(block.starts):
            self.rows += len(block.starts)
            yield _parse(block, len(self.header))

    def _framed(self) -> Iterator["_Block"]:
        """Join lines into records; an open record at a block's end waits for the next block."""
        waiting: Lines | None = None
        for lines in read_lines(self.bytes):
            joined = lines if waiting is None else _concat(waiting, lines)
            if not self.header and len(joined.numbers):
                joined = self._take_header(joined)
            block, waiting = _frame(joined, len(self.header), last=False)
            yield block
        if waiting is not None:
            block, _ = _frame(waiting, len(self.header), last=True)
            yield block

    def _take_header(self, lines: Lines) -> Lines:
        text, reason = decode(lines.text(0))
        reason = lines.known_bad.get(0, reason)
        fields, reason = ([], reason) if reason else _fields(text)
        self.header = [name.strip() for name in fields] or ["?"]
        self.header_row = bad_row(int(lines.numbers[0]), lines.text(0), reason)
        known_bad = {i - 1: why for i, why in lines.known_bad.items() if i}
        return Lines(lines.data, lines.starts[1:], lines.ends[1:], lines.numbers[1:], known_bad)


@dataclass(frozen=True)
class _Block:
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    numbers: np.ndarray
    known_bad: dict[int, str]
    plain: bool  # every quote is closed on its record: the fast reader may have it


def _concat(one: Lines, two: Lines) -> Lines:
    glue = b"" if one.data.endswith(b"\n") else b"\n"
    shift = len(one.data) + len(glue)
    return Lines(
        one.data + glue + two.data,
        np.concatenate([one.starts, two.starts + shift]),
        np.concatenate([one.ends, two.ends + shift]),
        np.concatenate([one.numbers, two.numbers]),
        one.known_bad | {i + len(one.starts): why for i, why in two.known_bad.items()},
    )


def _frame(lines: Lines, width: int, last: bool) -> tuple[_Block, Lines | None]:
    """Records of these lines, and the lines from an open quote on when more may follow."""
    count = len(lines.starts)
    quotes = np.flatnonzero(np.frombuffer(lines.data, np.uint8) == _QUOTE)
    per_line = np.searchsorted(quotes, lines.ends) - np.searchsorted(quotes, lines.starts)
    odd = [i for i in np.flatnonzero(per_line % 2).tolist() if i not in lines.known_bad]
    owner = np.arange(count)  # index of the line whose record this line belongs to
    ends = lines.ends.copy()
    plain, waiting, k = True, None, 0
    while k < len(odd):
        opened = odd[k]
        if k + 1 < len(odd):
            closed = odd[k + 1]
            if _joins(lines, opened, closed, width):
                owner[opened : closed + 1] = opened
                ends[opened] = lines.ends[closed]
                k += 2
                continue
        elif not last and lines.ends[-1] - lines.starts[opened] < MAX_LINE:
            waiting, count = _from(lines, opened), opened
            break
        plain = False
        k += 1
    heads = np.flatnonzero(owner[:count] == np.arange(count))
    position = {int(head): i for i, head in enumerate(heads)}
    known_bad = {position[i]: why for i, why in lines.known_bad.items() if i in position}
    block = _Block(lines.data, lines.starts[heads], ends[heads], lines.numbers[heads], known_bad, plain)
    return block, waiting


def _from(lines: Lines, i: int) -> Lines:
    """Lines i.. with their bytes only."""
    cut = int(lines.starts[i])
    known_bad = {j - i: why for j, why in lines.known_bad.items() if j >= i}
    return Lines(lines.data[cut:], lines.starts[i:] - cut, lines.ends[i:] - cut, lines.numbers[i:], known_bad)


def _joins(lines: Lines, opened: int, closed: int, width: int) -> bool:
    start, end = int(lines.starts[opened]), int(lines.ends[closed])
    if end - start > MAX_LINE or any(opened < i < closed for i in lines.known_bad):
        return False
    # latin-1 decides by shape alone: one bad byte inside must not change the framing. Strict, so that two stray
    # inch marks in different lines do not make a record.
    try:
        rows = list(csv.reader(io.StringIO(lines.data[start:end].decode("latin-1"), newline=""), strict=True))
    except csv.Error:
        return False
    return len(rows) == 1 and len(rows[0]) == width


def _fields(text: str) -> tuple[list[str], str]:
    """(fields of one record, ""), or ([], why it is no record)."""
    for strict in (True, False):  # strict tells an open quote; what else it refuses (a stray quote) is readable
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), strict=strict))
        except csv.Error as error:
            if "end of data" in str(error):
                return [], "a quote is never closed"
            continue
        return (rows[0], "") if len(rows) == 1 else ([], "carriage return inside a line")
    return [], "carriage return inside a line"


def _parse(block: _Block, width: int) -> Records:
    names = [str(i) for i in range(width)]
    if block.plain and not block.known_bad and b"\0" not in block.data:
        start, end = int(block.starts[0]), int(block.ends[-1])
        try:
            table = arrow_csv.read_csv(
                pa.py_buffer(block.data[start:end]),
                arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=end - start + 1),
                arrow_csv.ParseOptions(newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
                ),
            )
        except pa.ArrowInvalid:
            pass  # a wrong number of fields or invalid UTF-8 somewhere: look record by record
        else:
            if table.num_rows == len(block.starts):
                return Records(table, block.numbers, [])
    return _parse_slowly(block, names)


def _parse_slowly(block: _Block, names: list[str]) -> Records:
    rows: list[list[str]] = []
    numbers: list[int] = []
    bad: list[Bad] = []
    for i, number in enumerate(block.numbers.tolist()):
        data = block.data[block.starts[i] : block.ends[i]]
        text, reason = decode(data)
        reason = block.known_bad.get(i, reason)
        fields, reason = ([], reason) if reason else _fields(text)
        if not reason and len(fields) != len(names):
            reason = f"{len(fields)} fields instead of {len(names)}"
        if reason:
            bad.append(bad_row(number, data, reason))
        else:
            rows.append(fields)
            numbers.append(number)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    arrays = [pa.array([value or None for value in column], pa.string()) for column in columns]
    return Records(pa.table(arrays, names=names), np.array(numbers, np.int64), bad)
