"""The PostgreSQL warehouse: each thing is done by the role that may do just that.

`loader` writes what Python writes and reads everything, `transformer` is dbt, `publisher` moves what BI sees, `owner`
makes the tables. Passwords are none of our business: libpq finds them in the file that PGPASSFILE names.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import errors

from pipelines import contracts
from pipelines.contracts import OPS_EDITIONS, SERVED_TABLES
from pipelines.errors import NightmarketError, NoSuchTable, Unavailable, UsageError
from pipelines.settings import Settings
from pipelines.warehouse import Rows, missing_columns

LOADER, TRANSFORMER, PUBLISHER, OWNER = "loader", "transformer", "publisher", "owner"
TABLES = {**contracts.TABLES, **SERVED_TABLES}
SCHEMAS = ("raw", "scores", "ops")
EDITION_NUMBERS = "ops.edition_numbers"
ROWS_AT_ONCE = 16_384
_DDL_LOCK, _BUILD_LOCK = 7_120_001, 7_120_002
"""Numbers of advisory locks: whoever makes tables, and whoever builds with dbt, does so alone."""


class Postgres:
    """An open connection as one role. Outside `transaction` each statement is one of its own."""

    def __init__(self, connection: psycopg.Connection, where: str) -> None:
        self._connection, self._where = connection, where

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        with self._said():
            return self._connection.execute(_marks(sql), list(values))

    def reader(self, sql: str, values: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """By COPY: decoding row by row in Python would take several times as long as the query."""
        with self._said():
            columns = _arrow_schema(self._connection, sql, values)
            cursor = self._connection.cursor()
            asked = _marks(sql) if values else sql.encode()  # without values psycopg leaves a doubled % as it is
            copy = cursor.copy(b"copy (" + asked + b") to stdout (format csv)", list(values))
            return _read_csv(_CopyFile(copy, self._said), columns)

    def insert(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        """By COPY of the binary form, which the server takes in faster than text."""
        reader = rows.to_reader(ROWS_AT_ONCE) if isinstance(rows, pa.Table) else rows
        columns = ", ".join(f'"{name}"' for name in reader.schema.names)
        types = self._types(table)
        schema = pa.schema([_sent(field, types[field.name]) for field in reader.schema])
        encoder = ArrowToPostgresBinaryEncoder(schema)
        count = 0
        statement = f"copy {table} ({columns}) from stdin (format binary)".encode()
        with self._said(), self._connection.cursor().copy(statement) as copy:
            copy.write(encoder.write_header())
            for batch in reader:
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    part = batch.slice(start, ROWS_AT_ONCE)
                    copy.write(encoder.write_batch(_cast(part, schema)))
                count += batch.num_rows
            copy.write(encoder.finish())
        return count

    def _types(self, table: str) -> dict[str, str]:
        rows = self._connection.execute(
            "select attname, format_type(atttypid, null) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            [table],
        ).fetchall()
        return dict(rows)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        with self._said(), self._connection.transaction():
            yield

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """A fault of the server in one line; whether trying again helps depends on who went away."""
        try:
            yield
        except errors.UndefinedTable as error:
            raise NoSuchTable(_first_line(error)) from error
        except (errors.DiskFull, errors.ConfigurationLimitExceeded) as error:
            raise NightmarketError(f"{self._where}: {_first_line(error)}") from error
        except (errors.QueryCanceled, errors.DeadlockDetected, errors.LockNotAvailable) as error:
            raise Unavailable(f"{self._where} was busy: {_first_line(error)}; run this again") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(
                f"{self._where} went away: {_first_line(error)}; run this again, what was finished is not done twice"
            ) from error
        except psycopg.Error as error:
            raise NightmarketError(f"{self._where}: {_first_line(error)}") from error

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def target(settings: Settings) -> dict[str, Any]:
    """Where the warehouse is, by libpq's keywords. Raises UsageError for a password: it would be shown and logged."""
    try:
        given: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(settings.postgres)
    except psycopg.Error as error:
        raise UsageError(f"setting postgres must be like 'host=… port=… dbname=…': {_first_line(error)}") from error
    if {"password", "user", "passfile"} & set(given):
        raise UsageError(
            "setting postgres names host, port and database only: passwords belong into the file that PGPASSFILE names,"
            " and each step has a role of its own"
        )
    return given


def connect(settings: Settings, role: str, read_only: bool = False) -> Postgres:
    """As this role. Raises Unavailable where no server answers, NightmarketError where it refuses us."""
    given = target(settings)
    where = f"PostgreSQL at {given.get('host', 'its socket')}:{given.get('port', 5432)}"
    options = "-c timezone=UTC" + (" -c default_transaction_read_only=on" if read_only else "")
    try:
        connection = psycopg.connect(
            settings.postgres, user=role, options=options, autocommit=True, application_name="nightmarket",
            connect_timeout=30,
        )  # fmt: skip
    except psycopg.Error as error:
        text = _first_line(error)
        if any(sign in text for sign in ("password", "no pg_hba.conf entry", "does not exist", "permission denied")):
            raise NightmarketError(
                f"{where} refuses {role}: {text}; its password belongs into the file that PGPASSFILE names"
            ) from error
        raise Unavailable(f"{where} does not answer: {text}; start it, then run this again") from error
    return Postgres(connection, where)


def open_warehouse(settings: Settings, read_only: bool = False) -> Postgres:
    """As the loader; tables and columns that a newer contract has are made first."""
    opened = connect(settings, LOADER, read_only)
    try:
        if missing_columns(opened, TABLES, SCHEMAS):
            _ensure_tables(settings)
    except BaseException:
        opened.close()
        raise
    return opened


def _ensure_tables(settings: Settings) -> None:
    with connect(settings, OWNER) as owner, owner.transaction():
        owner.execute("select pg_advisory_xact_lock(?)", [_DDL_LOCK])  # two steps may find the same thing missing
        for statement in missing_columns(owner, TABLES, SCHEMAS):
            owner.execute(statement)
            if statement.startswith("create table"):
                name = statement.split()[5]
                key = ", ".join(f'"{column}"' for column in TABLES[name].key)
                owner.execute(f"alter table {name} add primary key ({key})")
        owner.execute(f"revoke insert, update, delete on {', '.join(SERVED_TABLES)} from loader")
        owner.execute(f"grant select, insert, update on {', '.join(SERVED_TABLES)} to publisher")
        owner.execute(f"grant delete on {OPS_EDITIONS.name} to publisher")
        owner.execute(f"create sequence if not exists {EDITION_NUMBERS}")
        owner.execute(f"grant usage on sequence {EDITION_NUMBERS} to publisher")


@contextlib.contextmanager
def build_alone(settings: Settings) -> Iterator[None]:
    """Hold the right to build for the length of the block: two dbt at once would build over each other."""
    with open_warehouse(settings) as connection:
        row = connection.execute("select pg_try_advisory_lock(?)", [_BUILD_LOCK]).fetchone()
        if row is None or not row[0]:
            raise Unavailable("another process builds in the warehouse; wait for it or stop it")
        yield


def started_at(settings: Settings) -> str:
    """When the server was started: another text after it went away and came back. Raises Unavailable meanwhile."""
    with connect(settings, LOADER, read_only=True) as connection:
        row = connection.execute("select pg_postmaster_start_time()::text").fetchone()
    return str(row[0]) if row else ""


def _marks(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


# ---- Arrow to and from PostgreSQL --------------------------------------------------------------------------------

_ARROW = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "real[]": pa.list_(pa.float32()),  # vectors; none is empty
}
_SHORT = {"int8": "bigint", "int4": "integer", "float8": "double precision", "bool": "boolean"} | {
    "timestamptz": "timestamp with time zone",
    "float4[]": "real[]",
}
"""The names that a query's description uses."""


def _sent(field: pa.Field, kind: str) -> pa.Field:
    """The binary form must have exactly the column's type, so a smaller number is widened first."""
    return pa.field(field.name, field.type if kind == "numeric" else _ARROW.get(kind, pa.string()))


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    columns = [pc.cast(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _arrow_schema(connection: psycopg.Connection, sql: str, values: Sequence[Any]) -> pa.Schema:
    cursor = connection.execute(b"select * from (" + _marks(sql) + b") as asked limit 0", list(values))
    fields = []
    for column in cursor.description or ():
        kind = column.type_display.split("(")[0]
        if kind == "numeric":  # without a declared size: as many digits as Arrow has, six of them after the point
            found = pa.decimal128(column.precision or 38, column.scale if column.precision else 6)
        else:
            found = _ARROW.get(_SHORT.get(kind, kind), pa.string())
        fields.append(pa.field(column.name, found))
    return pa.schema(fields)


class _CopyFile(io.RawIOBase):
    """The blocks of a COPY as a file to read from."""

    def __init__(self, copy: Any, said: Callable[[], AbstractContextManager[None]]) -> None:
        self._manager, self._said = copy, said
        self._copy = copy.__enter__()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            with self._said():
                block = self._copy.read()
                if not block:
                    self._manager.__exit__(None, None, None)
                    return 0
            self._rest = bytes(block)
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


def _read_csv(copied: _CopyFile, schema: pa.Schema) -> pa.RecordBatchReader:
    as_text = {f.name: pa.string() if pa.types.is_list(f.type) else f.type for f in schema}
    convert = pyarrow.csv.ConvertOptions(
        column_types=as_text, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
        true_values=["t"], false_values=["f"],
    )  # fmt: skip
    read = pyarrow.csv.ReadOptions(column_names=schema.names, block_size=4 << 20, use_threads=False)
    # An empty line is a row of one column that is null.
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(schema) > 1)
    file = io.BufferedReader(copied, 1 << 20)
    if not file.peek(1):  # no row at all is an error to the reader
        return pa.RecordBatchReader.from_batches(schema, [])
    reader = pyarrow.csv.open_csv(file, read, parse, convert)
    return pa.RecordBatchReader.from_batches(schema, (_typed(batch, schema) for batch in reader))


def _typed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for column, field in zip(batch.columns, schema, strict=True):
        lists = pa.types.is_list(field.type)
        columns.append((pc.split_pattern(pc.utf8_trim(column, "{}"), ",") if lists else column).cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
