"""Bytes from outside into lines of text, whatever is wrong with them. Nothing here knows a contract.

Counting rule: a line is what stands between line feeds. A line that is empty, or a lone carriage return, is blank
and no row. Every other line is a row, good or unreadable.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

RAW = "raw"
"""The column that holds a line's text."""
BLOCK = 4 << 20
MAX_LINE = 1 << 20
"""A line or record above this is unreadable, so that one missing line feed cannot take all memory."""
KEEP = 64 << 10
"""How much of an unreadable line's text is kept."""

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_LF, _CR = 10, 13


@dataclass(frozen=True)
class Bad:
    """A row nobody can read: where it is, its text (cut at KEEP, always valid UTF-8 without NUL), and why."""

    line: int
    raw: str
    reason: str


def bad_row(line: int, data: bytes, reason: str) -> Bad:
    return Bad(line, data[:KEEP].decode("utf-8", "replace").replace("\0", "\ufffd"), reason)


class ByteFile:
    """The bytes of one file in blocks, unzipped where its first bytes say gzip (its name may lie).

    After the last block, `cut` says why the bytes end early ("" when they do not) and `note` tells what is odd.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = ""
        self.note = ""

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            head = file.read(2)
            if head == _GZIP:
                yield from self._unzip(file, head)
                self.note = self.cut
                return
            if self.path.suffix == ".gz" and head:
                self.note = "named .gz but is not gzip"
            block = head + file.read(BLOCK)
            while block:
                yield block
                block = file.read(BLOCK)

    def _unzip(self, file: BinaryIO, pending: bytes) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        while pending := pending or file.read(BLOCK // 4):
            if member.eof:  # gzip files may be concatenated, or padded with NUL
                pending = pending.lstrip(b"\0")
                if not pending:
                    continue
                member = zlib.decompressobj(wbits=31)
            try:
                block = member.decompress(pending, BLOCK)
            except zlib.error:
                self.cut = "gzip is damaged"
                return
            pending = member.unused_data if member.eof else member.unconsumed_tail
            if block:
                yield block
        rest = member.flush() if not member.eof else b""
        if rest:
            yield rest
        if not member.eof:
            self.cut = "gzip is truncated"


@dataclass(frozen=True)
class Lines:
    """Non-blank physical lines of one block: `data[starts[i]:ends[i]]` is line `numbers[i]` without its line end."""

    data: bytes
    starts: np.ndarray  # int64
    ends: np.ndarray
    numbers: np.ndarray  # 1-based, blank lines counted
    known_bad: dict[int, str] = field(default_factory=dict)  # index in the block -> reason

    def text(self, i: int) -> bytes:
        return self.data[self.starts[i] : self.ends[i]]


def _split(data: bytes, first_number: int) -> tuple[Lines, int]:
    """Lines of `data` (its last line feed may be missing), and the number of the line after them."""
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == _LF)
    if len(data) and array[-1] != _LF:
        ends = np.append(ends, len(data))
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    returns = (ends > starts) & (array[np.maximum(ends - 1, 0)] == _CR)
    ends = ends - returns
    full = ends > starts
    numbers = np.arange(first_number, first_number + len(ends))
    lines = Lines(data, starts[full], ends[full], numbers[full])
    lengths = lines.ends - lines.starts
    for i in np.flatnonzero(lengths > MAX_LINE):
        lines.known_bad[int(i)] = f"line of {int(lengths[i])} bytes is above {MAX_LINE}"
    return lines, first_number + len(full)


def _one(data: bytes, number: int, reason: str) -> Lines:
    bounds = np.array([0]), np.array([len(data)])
    return Lines(data, *bounds, np.array([number]), {0: reason})


def read_lines(source: ByteFile) -> Iterator[Lines]:
    """Blocks of whole lines. Memory stays within a few blocks however long a line is."""
    number = 1
    carry = b""
    overlong = 0  # bytes of an over-long line seen so far; `carry` then holds only its first KEEP
    started = False
    for block in source:
        if not started:
            started = True
            block = block.removeprefix(_BOM)  # a first block is never shorter than a byte order mark unless the file is
        if overlong:
            end = block.find(b"\n")
            if end < 0:
                overlong += len(block)
                continue
            yield _one(carry, number, f"line of {overlong + end} bytes is above {MAX_LINE}")
            number, carry, overlong, block = number + 1, b"", 0, block[end + 1 :]
        end = block.rfind(b"\n") + 1
        if end:
            body, carry = carry + block[:end], block[end:]
            lines, number = _split(body, number)
            yield lines
        else:
            carry += block
        if len(carry) > MAX_LINE:
            overlong, carry = len(carry), carry[:KEEP]
    if overlong:
        yield _one(carry, number, f"line of {overlong} bytes is above {MAX_LINE}")
    elif source.cut:  # something is missing here even when the cut falls on a line end: one row says so
        yield _one(carry, number, source.cut)
    elif carry:
        yield _split(carry, number)[0]


def strings_of(lines: Lines) -> tuple[pa.StringArray, np.ndarray, list[Bad]]:
    """Text and number of every readable line of a block, and the unreadable ones."""
    if not lines.known_bad and b"\0" not in lines.data:
        try:
            return _all_strings(lines), lines.numbers, []
        except pa.ArrowInvalid:
            pass  # invalid UTF-8 somewhere: look line by line
    good: list[str] = []
    numbers: list[int] = []
    bad: list[Bad] = []
    for i, number in enumerate(lines.numbers.tolist()):
        text, reason = decode(lines.text(i))
        reason = lines.known_bad.get(i, reason)
        if reason:
            bad.append(bad_row(number, lines.text(i), reason))
        else:
            good.append(text)
            numbers.append(number)
    return pa.array(good, pa.string()), np.array(numbers, np.int64), bad


def decode(data: bytes) -> tuple[str, str]:
    """(text, reason): the reason is empty when the bytes are UTF-8 without NUL (which databases refuse in text)."""
    if b"\0" in data:
        return "", "NUL byte in line"
    try:
        return data.decode(), ""
    except UnicodeDecodeError as error:
        return "", f"invalid UTF-8 at byte {error.start + 1}"


def _all_strings(lines: Lines) -> pa.StringArray:
    """One Arrow array over the block's bytes with the line ends taken out; raises ArrowInvalid on invalid UTF-8."""
    lengths = lines.ends - lines.starts
    total = int(lengths.sum())
    text = lines.data.replace(b"\n", b"")
    if len(text) != total:
        text = lines.data.replace(b"\r\n", b"").replace(b"\n", b"")
    if len(text) != total:  # a carriage return before the end of the data, or before another one
        text = b"".join(map(lines.text, range(len(lengths))))
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers).cast(pa.string())
