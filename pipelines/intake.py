"""Frame every landing file of a batch into Parquet: the row count conservation is held against is taken here.

Engines differ on broken bytes, so none of them sees any: they read `lines/` (JSON-lines: one text a row) and
`columns/` (CSV and Parquet: every contract column as text), both with landing_date, file and line.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.contracts import FILE, LANDING_DATE, LINE, MEDIA_ENTITIES, UNREADABLE, UNREADABLE_REASON, Entity
from pipelines.csv_records import CsvFile
from pipelines.errors import NightmarketError
from pipelines.framing import RAW, Bad, ByteFile, bad_row, read_lines, strings_of
from pipelines.landing import LandingFile, landing_files
from pipelines.media.verdicts import Judge
from pipelines.part_writer import PartWriter
from pipelines.settings import Batch, Settings

PARQUET_BATCH = 32 << 10

_PROVENANCE = [pa.field(LANDING_DATE, pa.date32()), pa.field(FILE, pa.string()), pa.field(LINE, pa.int64())]
LINES_SCHEMA = pa.schema([*_PROVENANCE, pa.field(RAW, pa.string()), pa.field(UNREADABLE_REASON, pa.string())])


def columns_schema(entity: Entity) -> pa.Schema:
    text = [pa.field(name, pa.string()) for name in (*entity.names, UNREADABLE, UNREADABLE_REASON)]
    return pa.schema([*_PROVENANCE, *text])


@dataclass(frozen=True)
class FramedFile:
    """One landing file: rows counted while reading it (a blank line is no row, a CSV header neither)."""

    landing_date: date
    file: str
    rows_in: int
    bytes: int
    note: str


@dataclass(frozen=True)
class Framed:
    """What `frame` wrote: Parquet files to read (none where nothing of that form landed) and every file's count."""

    lines: list[Path]
    columns: list[Path]
    files: list[FramedFile]

    @property
    def rows_in(self) -> int:
        return sum(f.rows_in for f in self.files)


def frame(
    settings: Settings, batch: Batch, entity: Entity, out: Path, progress: Callable[[str], None] | None = None
) -> Framed:
    """Read every landing file of `entity` in `batch` into `out/lines` and `out/columns`.

    `out` must be a fresh folder of this attempt. Raises NightmarketError when a file cannot be opened at all, or when
    the number of rows written differs from the number counted.
    """
    judge = Judge(settings, entity).rows if entity in MEDIA_ENTITIES else (lambda rows: rows)
    lines = PartWriter(out / "lines", LINES_SCHEMA, judge)
    columns = PartWriter(out / "columns", columns_schema(entity), judge)
    framed: list[FramedFile] = []
    for file in landing_files(settings, batch, entity.name):
        if progress:
            progress(file.name)
        before = lines.rows + columns.rows
        try:
            rows_in, note = _frame_file(file, entity, lines, columns)
        except OSError as error:
            raise NightmarketError(f"intake of {entity.name}: {file.path}: {error.strerror or error}") from error
        if (written := lines.rows + columns.rows - before) != rows_in:
            raise NightmarketError(f"intake of {entity.name}: {file.path} has {rows_in} rows but {written} were framed")
        framed.append(FramedFile(file.landing_date, file.name, rows_in, file.path.stat().st_size, note))
    try:
        lines.close()
        columns.close()
    except OSError as error:
        raise NightmarketError(f"intake of {entity.name}: cannot write {out}: {error.strerror or error}") from error
    return Framed(lines.paths, columns.paths, framed)


def _frame_file(file: LandingFile, entity: Entity, lines: PartWriter, columns: PartWriter) -> tuple[int, str]:
    """Rows counted and a note."""
    if file.kind == "jsonl":
        return _frame_lines(file, lines)
    if file.kind == "csv":
        return _frame_csv(file, entity, columns)
    if file.kind == "parquet":
        return _frame_parquet(file, entity, columns)
    reason = "not a .jsonl, .csv or .parquet file"
    columns.add(_bad_rows(file, columns.schema, [Bad(1, "", reason)]))
    return 1, reason


def _note(*parts: str) -> str:
    return "; ".join(p for p in parts if p)


def _provenance(file: LandingFile, numbers: pa.Array) -> list[pa.Array]:
    count = len(numbers)
    return [pa.repeat(pa.scalar(file.landing_date, pa.date32()), count), pa.repeat(file.name, count), numbers]


def _bad_rows(file: LandingFile, schema: pa.Schema, bad: list[Bad]) -> pa.Table:
    text = RAW if RAW in schema.names else UNREADABLE
    given = dict(zip(schema.names, _provenance(file, pa.array([b.line for b in bad], pa.int64())), strict=False))
    given |= {text: pa.array([b.raw for b in bad], pa.string()), UNREADABLE_REASON: pa.array([b.reason for b in bad])}
    return _table(schema, given, len(bad))


def _table(schema: pa.Schema, given: dict[str, pa.Array], count: int) -> pa.Table:
    arrays = [given[f.name] if f.name in given else pa.nulls(count, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _frame_lines(file: LandingFile, writer: PartWriter) -> tuple[int, str]:
    source = ByteFile(file.path)
    rows_in = 0
    for block in read_lines(source):
        rows_in += len(block.numbers)
        text, numbers, bad = strings_of(block)
        if len(text):
            given = dict(zip(writer.schema.names, [*_provenance(file, pa.array(numbers)), text], strict=False))
            writer.add(_table(writer.schema, given, len(text)))
        if bad:
            writer.add(_bad_rows(file, writer.schema, bad))
    return rows_in, _note(source.note, "" if rows_in else "empty file")


def _frame_csv(file: LandingFile, entity: Entity, writer: PartWriter) -> tuple[int, str]:
    source = CsvFile(file.path)
    names = [*entity.names, UNREADABLE, UNREADABLE_REASON]
    position = {name: source.header.index(name) for name in names if name in source.header}
    problem = _header_problem(source, entity, position)
    if problem:  # no value can be given a name: the rows, and a first line that is no header, are kept whole
        return _frame_without_header(file, problem, writer)
    for records in source:
        columns = records.columns
        if columns.num_rows:
            given = {name: columns.column(i) for name, i in position.items()}
            given |= dict(zip(writer.schema.names, _provenance(file, pa.array(records.lines)), strict=False))
            writer.add(_table(writer.schema, given, columns.num_rows))
        if records.bad:
            writer.add(_bad_rows(file, writer.schema, records.bad))
    return source.rows, _note(source.note, _ignored(source.header, entity), "" if source.rows else "empty file")


def _header_problem(source: CsvFile, entity: Entity, position: dict[str, int]) -> str:
    if source.header_row is None:
        return ""
    if source.header_row.reason:
        return f"header: {source.header_row.reason}"
    if not any(name in position for name in entity.names):
        return f"header names no column of {entity.name}"
    twice = [name for name in position if source.header.count(name) > 1]
    return f"header names {twice[0]} twice" if twice else ""


def _frame_without_header(file: LandingFile, problem: str, writer: PartWriter) -> tuple[int, str]:
    source = ByteFile(file.path)
    rows_in = 0
    for block in read_lines(source):
        rows_in += len(block.numbers)
        text, numbers, bad = strings_of(block)
        given = dict(zip(writer.schema.names, _provenance(file, pa.array(numbers)), strict=False))
        given |= {UNREADABLE: text, UNREADABLE_REASON: pa.repeat(problem, len(text))}
        writer.add(_table(writer.schema, given, len(text)))
        writer.add(_bad_rows(file, writer.schema, bad))
    return rows_in, _note(source.note, problem)


def _ignored(names: list[str], entity: Entity) -> str:
    extra = sorted(set(names) - {*entity.names, LINE, UNREADABLE, UNREADABLE_REASON})
    return f"ignored columns: {', '.join(extra)}" if extra else ""


def _frame_parquet(file: LandingFile, entity: Entity, writer: PartWriter) -> tuple[int, str]:
    try:
        source = pq.ParquetFile(file.path)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, PermissionError | FileNotFoundError):
            raise
        reason = f"not a Parquet file: {str(error).splitlines()[0]}"
        writer.add(_bad_rows(file, writer.schema, [Bad(1, "", reason)]))
        return 1, reason
    names = source.schema_arrow.names
    wanted = [n for n in (*entity.names, LINE, UNREADABLE, UNREADABLE_REASON) if n in names]
    done = 0
    damage = ""
    batches = source.iter_batches(PARQUET_BATCH, columns=wanted)
    while (batch := _next_batch(batches)) is not None:
        if isinstance(batch, str):
            damage = f"Parquet is damaged after row {done} of {source.metadata.num_rows}: {batch}"
            writer.add(_bad_rows(file, writer.schema, [Bad(done + 1, "", damage)]))
            break
        writer.add(_parquet_rows(file, batch, done, writer.schema))
        done += batch.num_rows
    rows_in = done + 1 if damage else source.metadata.num_rows
    missing = "" if wanted else f"no column of {entity.name}"
    return rows_in, _note(damage, missing, _ignored(names, entity), "" if rows_in else "empty file")


def _next_batch(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | str | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        return str(error).splitlines()[0] or "unreadable"


def _parquet_rows(file: LandingFile, batch: pa.RecordBatch, done: int, schema: pa.Schema) -> pa.Table:
    count = batch.num_rows
    numbers = pa.array(np.arange(done + 1, done + 1 + count))
    if LINE in batch.schema.names and pa.types.is_integer(batch.schema.field(LINE).type):
        numbers = pc.coalesce(batch.column(LINE).cast(pa.int64()), numbers)
    given = {name: as_text(batch.column(name)) for name in batch.schema.names if name != LINE}
    given |= dict(zip(schema.names, _provenance(file, numbers), strict=False))
    table = _table(schema, given, count)
    spoiled = [name for name in given if schema.field(name).type == pa.string() and _spoiled(given[name])]
    return _without_spoiled(table, spoiled) if spoiled else table


def _spoiled(column: pa.Array) -> bool:
    """Text that databases refuse: invalid UTF-8 (Parquet does not check it) or NUL."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return True
    data = column.buffers()[2]
    return data is not None and not np.frombuffer(data, np.uint8).all()


def _without_spoiled(table: pa.Table, names: list[str]) -> pa.Table:
    """Such a row becomes unreadable, its values kept as one text."""
    plain = table.schema
    for name in names:
        i = table.schema.get_field_index(name)
        table = table.set_column(i, name, table.column(name).cast(pa.binary()))
    rows = table.to_pylist()
    for row in rows:
        if not any(_is_spoiled(row[name]) for name in names):
            row |= {n: row[n].decode() for n in names if row[n] is not None}
            continue
        shown = {k: v.decode("utf-8", "replace") if isinstance(v, bytes) else v for k, v in row.items()}
        values = {k: v for k, v in shown.items() if v is not None and k not in (LANDING_DATE, FILE, LINE)}
        row |= {n: None for n in plain.names if n not in (LANDING_DATE, FILE, LINE)}
        raw = bad_row(0, json.dumps(values, ensure_ascii=False).encode(), "").raw
        row |= {UNREADABLE: raw, UNREADABLE_REASON: "invalid UTF-8 or NUL byte in a value"}
    return pa.Table.from_pylist(rows, schema=plain)


def _is_spoiled(value: bytes | None) -> bool:
    if value is None:
        return False
    try:
        return "\0" in value.decode()
    except UnicodeDecodeError:
        return True


def as_text(column: pa.Array) -> pa.StringArray:
    """The value as text that loses nothing: ISO dates, `Z` on instants, shortest exact floats, JSON for nested ones."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode())
    if pa.types.is_nested(kind):
        values = column.to_pylist(maps_as_pydicts="lossy")
        texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in values]
        return pa.array(texts, pa.string())
    if pa.types.is_timestamp(kind):
        zone = "" if kind.tz is None else "Z"
        text = column.cast(pa.timestamp(kind.unit, "UTC") if zone else kind).cast(pa.timestamp(kind.unit))
        return pc.binary_join_element_wise(pc.strftime(text, format="%Y-%m-%dT%H:%M:%S"), zone, "")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_string(kind):
        # Unchecked on purpose: `_spoiled` looks at every text column in the same way.
        return column.cast(pa.binary()).view(pa.string())
    return column.cast(pa.string())
