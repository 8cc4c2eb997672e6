"""CSV, JSON-lines and Parquet files as text columns, for the source `files`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.csv_records import CsvFile
from pipelines.errors import NightmarketError
from pipelines.framing import Bad, ByteFile, bad_row, read_lines, strings_of

Blocks = Iterator[tuple[pa.Array, list[pa.Array]]]


def _csv(path: Path, names: tuple[str, ...], bad: list[Bad]) -> Blocks:
    file = CsvFile(path)
    _check(path, names, file.header)
    for records in file:
        bad.extend(records.bad)
        yield pa.array(records.lines, pa.int64()), [records.columns.column(file.header.index(n)) for n in names]


def _jsonl(path: Path, names: tuple[str, ...], bad: list[Bad]) -> Blocks:
    for block in read_lines(ByteFile(path)):
        text, numbers, unreadable = strings_of(block)
        bad.extend(unreadable)
        rows, lines = [], []
        for line, raw in zip(numbers.tolist(), text.to_pylist(), strict=True):
            try:
                row = json.loads(raw, parse_float=str, parse_int=str)  # as written: no digit is lost
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                rows.append([_json_text(row.get(n)) for n in names])
                lines.append(line)
            else:
                bad.append(bad_row(line, raw.encode(), "not a JSON object"))
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        yield pa.array(lines, pa.int64()), [pa.array(c, pa.string()) for c in columns]


def _json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value == "" else value
    return json.dumps(value, ensure_ascii=False)


def _parquet(path: Path, names: tuple[str, ...], bad: list[Bad]) -> Blocks:
    from pipelines.intake import PARQUET_BATCH, as_text

    try:
        file = pq.ParquetFile(path)
        _check(path, names, file.schema_arrow.names)
        done = 0
        for batch in file.iter_batches(PARQUET_BATCH, columns=list(names)):
            yield pa.array(np.arange(done + 1, done + 1 + len(batch))), [as_text(batch.column(n)) for n in names]
            done += len(batch)
    except pa.ArrowException as error:
        raise NightmarketError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


def _check(path: Path, names: tuple[str, ...], found: list[str]) -> None:
    if missing := [n for n in names if found.count(n) != 1]:
        shown = ", ".join(found) or "none, the file is empty"
        raise NightmarketError(f"{path}: the mapping needs {', '.join(missing)} once; its columns are: {shown}")


READERS: dict[str, Callable[[Path, tuple[str, ...], list[Bad]], Blocks]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
