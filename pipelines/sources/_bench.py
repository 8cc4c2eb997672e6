"""The workbench of sources: origin rows in an in-memory DuckDB that spills to disk, mapped by SQL, delivered by day."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.contracts import LINE, UNREADABLE, UNREADABLE_REASON
from pipelines.csv_records import CsvFile
from pipelines.errors import NightmarketError, UsageError
from pipelines.framing import Bad
from pipelines.sources import Delivery, LandRequest

ORIGIN, BROKEN = "origin", "broken"

UNREADABLE_ROWS = f"select {LINE}, {UNREADABLE}, {UNREADABLE_REASON} from {BROKEN}"
"""To be added by `union all by name` to a mapping: lines the source could not read, without a day of their own."""

_MACROS = """
create macro row_key(source, fields) as sha256(source || chr(31) || to_json(fields)::varchar);
create macro event_id(key, nth) as left(sha256(key || chr(31) || nth::varchar), 32);
create macro utc_text(local_time, zone) as
    replace(strftime((local_time at time zone zone) at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), '.000000Z', 'Z')
"""


@contextmanager
def bench(request: LandRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reaches no file but its own spill folder."""
    connection = duckdb.connect(":memory:", config={"memory_limit": request.memory_limit, "threads": "2"})
    try:
        connection.execute(f"set temp_directory = '{str(request.workdir).replace(chr(39), chr(39) * 2)}'")
        connection.execute("set timezone = 'UTC'")
        connection.execute("set enable_external_access = false")
        connection.execute(_MACROS)
        yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise NightmarketError(f"mapping the origin in {request.workdir}: {str(error).splitlines()[0]}") from error
    finally:
        connection.close()


def load(
    connection: duckdb.DuckDBPyConnection, names: Iterable[str], batches: Iterable[pa.RecordBatch], bad: list[Bad]
) -> None:
    """Fill `origin` (line, then `names` as text) and `broken`. `bad` may grow while the batches are read."""
    schema = pa.schema([pa.field(LINE, pa.int64()), *(pa.field(n, pa.string()) for n in names)])
    raised: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:  # DuckDB would wrap it in pages of its own
            raised.append(error)
            raise

    connection.register("incoming", pa.RecordBatchReader.from_batches(schema, watched()))
    try:
        connection.execute(f"create or replace table {ORIGIN} as select * from incoming")
    except duckdb.Error:
        if raised:
            raise raised[0] from None
        raise
    connection.unregister("incoming")
    rows = {LINE: [b.line for b in bad], UNREADABLE: [b.raw for b in bad], UNREADABLE_REASON: [b.reason for b in bad]}
    kinds = [pa.int64(), pa.string(), pa.string()]
    connection.register("incoming", pa.table(rows, pa.schema(list(zip(rows, kinds, strict=True)))))
    connection.execute(f"create or replace table {BROKEN} as select * from incoming")
    connection.unregister("incoming")


def load_csv(connection: duckdb.DuckDBPyConnection, path: Path, names: tuple[str, ...]) -> None:
    """Load the named columns of a CSV file; raises NightmarketError when its header lacks one."""
    file = CsvFile(path)
    if missing := [n for n in names if file.header.count(n) != 1]:
        shown = ", ".join(file.header) or "nothing, the file is empty"
        raise NightmarketError(f"{path}: the header must name {', '.join(missing)} once; it names {shown}")
    bad: list[Bad] = []

    def batches() -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(LINE, pa.int64()), *(pa.field(n, pa.string()) for n in names)])
        for records in file:
            bad.extend(records.bad)
            columns = [records.columns.column(file.header.index(n)) for n in names]
            table = pa.Table.from_arrays([pa.array(records.lines, pa.int64()), *columns], schema=schema)
            yield from table.to_batches()

    load(connection, names, batches(), bad)


def deliveries(
    connection: duckdb.DuckDBPyConnection, request: LandRequest, entity: str, stem: str, query: str
) -> Iterator[Delivery]:
    """Deliver the rows of `query` (contract columns, a unique `line`, `day`), one file a day, in the order of `line`.

    A row without a day goes to the day of the last row before it that has one, else to the first of the range.
    """
    connection.execute(f"create or replace table mapped as {query}")
    _place(connection, request, stem)
    days = connection.execute("select distinct day from mapped order by day").fetchall()
    for (day,) in days:
        if request.wants(day):
            yield Delivery(entity, day, stem, _rows(connection, day))


def _place(connection: duckdb.DuckDBPyConnection, request: LandRequest, stem: str) -> None:
    lost, earliest = connection.execute("select count(*) filter (day is null), min(day) from mapped").fetchall()[0]
    if not lost:
        return
    fallback = request.first or earliest
    if fallback is None:
        raise NightmarketError(f"{stem}: no row has a readable date; give the first day of the range to land it")
    connection.execute(
        "create or replace table mapped as"
        " select * from mapped where day is not null union all by name"
        " select lost.* replace (coalesce(known.day, $fallback::date) as day)"
        " from (from mapped where day is null) as lost"
        f" asof left join (select {LINE} as known_line, day from mapped where day is not null) as known"
        f" on lost.{LINE} >= known.known_line",
        {"fallback": fallback},
    )


def _rows(connection: duckdb.DuckDBPyConnection, day: date) -> Iterator[pa.RecordBatch]:
    query = f"select * exclude (day) from mapped where day = ? order by {LINE}"
    yield from connection.execute(query, [day]).to_arrow_reader(64 << 10)


def pseudonym_key() -> bytes:
    """The HMAC key from NIGHTMARKET_HASH_KEY; short keys are refused because ids are easily enumerated."""
    key = os.environ.get("NIGHTMARKET_HASH_KEY", "").encode()
    if len(key) < 16:
        raise UsageError("`hash:` needs a secret of at least 16 bytes in the environment variable NIGHTMARKET_HASH_KEY")
    return key


def pseudonyms(values: pa.ChunkedArray, key: bytes) -> pa.Array:
    """Keyed HMAC-SHA-256 of every value, 32 hex characters; null stays null."""
    return pa.array(
        [None if v is None else hmac.new(key, v.encode(), hashlib.sha256).hexdigest()[:32] for v in values.to_pylist()],
        pa.string(),
    )
