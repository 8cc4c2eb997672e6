"""Amazon reviews and product metadata in the public JSON-lines form, in the layouts of 2018 and 2023.

Files may be far larger than memory: they are read block by block, and what is kept of them spills to disk. Reviewers
stand under the pseudonyms of the data; `reviewerName` is never read. A product comes on the day of its first review
(its metadata has no date), one that nobody reviewed on the day of the first review of all.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.contracts import EVENTS, LINE, PRODUCTS, REVIEWS, UNREADABLE, UNREADABLE_REASON, USERS
from pipelines.errors import NightmarketError, UsageError
from pipelines.sources import Delivery, LandRequest, Source, _amazon

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


NAME = _amazon.NAME
_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_FOLD_EVERY = 200  # blocks after which the first days of items are reduced to one row an item


def land(request: LandRequest) -> Iterator[Delivery]:
    """Deliver reviews, their ratings as events, and the reviewers by the UTC day of the review; then products."""
    from pipelines.sources._bench import bench

    if request.path is None:
        raise UsageError(f"source {NAME} needs --path: {SOURCE.description}")
    reviews, metas = _files(request.path)
    with bench(request) as connection:
        connection.execute("create table seen (item_id varchar, day date)")
        for path in reviews:
            _load(connection, request, path, _amazon.REVIEW_BLOCK, remember=bool(metas))
            yield from _reviews(connection, path)
        earliest = _fold(connection)
        for path in metas:
            if earliest is None:
                raise NightmarketError(
                    f"{path}: metadata has no dates; put the file of its reviews into the same folder"
                )
            _load(connection, request, path, _amazon.PRODUCT_BLOCK, earliest)
            for day in _days(connection):
                yield Delivery(PRODUCTS.name, day, _stem(path), _rows(connection, _amazon.PRODUCTS, {"day": day}))


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """(files of reviews, files of metadata) by what their first object says."""
    paths = sorted(p for p in path.iterdir() if p.name.endswith(_SUFFIXES)) if path.is_dir() else [path]
    if not paths:
        raise UsageError(f"source {NAME}: {path} holds no file that ends in {', '.join(_SUFFIXES)}")
    by_kind: dict[bool, list[Path]] = {True: [], False: []}
    for file in paths:
        by_kind[_is_reviews(file)].append(file)
    return by_kind[True], by_kind[False]


def _is_reviews(path: Path) -> bool:
    import json

    from pipelines.framing import ByteFile, read_lines, strings_of

    for block in read_lines(ByteFile(path)):
        for text in strings_of(block)[0].to_pylist():
            try:
                row = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict) and ("asin" in row or "parent_asin" in row):
                return "reviewerID" in row or "user_id" in row
    raise NightmarketError(f"{path}: no line is a JSON object with the key asin or parent_asin")


def _load(
    connection: "duckdb.DuckDBPyConnection",
    request: LandRequest,
    path: Path,
    query: str,
    earliest: date | None = None,
    remember: bool = False,
) -> None:
    """Fill `kept` with the file's rows of the range by day; with `remember` also `seen` with the days of its items.

    A row without a day goes to `earliest`, else to the day of the last row before it that has one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    first, last = request.first or date.min, request.last or date.max
    empty = True
    for number, rows in enumerate(_placed(path, _parsed(connection, path, query, earliest))):
        if remember:
            connection.register("block", rows)
            connection.execute(
                "insert into seen select item_id, min(day) from block where item_id is not null group by 1"
            )
            if number % _FOLD_EVERY == 0:
                _fold(connection)
        days = rows.column("day")
        wanted = rows.filter(pc.and_(pc.greater_equal(days, pa.scalar(first)), pc.less_equal(days, pa.scalar(last))))
        connection.register("block", wanted)
        connection.execute(
            "create or replace table kept as select * from block" if empty else "insert into kept select * from block"
        )
        empty = False
    connection.execute(f"create or replace table kept as select * from kept order by day, {LINE}")


def _parsed(
    connection: "duckdb.DuckDBPyConnection", path: Path, query: str, earliest: date | None
) -> "Iterator[pa.Table]":
    """The rows of the file block by block, in the order of their lines; `day` is null where a row has none."""
    import pyarrow as pa

    from pipelines.framing import ByteFile, read_lines, strings_of

    values = {} if earliest is None else {"earliest": earliest}
    for block in read_lines(ByteFile(path)):
        text, numbers, bad = strings_of(block)
        connection.register("block", pa.table({LINE: pa.array(numbers, pa.int64()), "raw": text}))
        rows = connection.execute(query, values).to_arrow_table()
        if bad:
            refused = {
                LINE: [b.line for b in bad],
                "day": [earliest for _ in bad],
                UNREADABLE: [_without_name(b.raw) for b in bad],
                UNREADABLE_REASON: [b.reason for b in bad],
            }
            columns = [pa.array(refused.get(field.name, [None] * len(bad)), field.type) for field in rows.schema]
            rows = pa.concat_tables([rows, pa.table(columns, schema=rows.schema)]).sort_by(LINE)
        yield rows


def _without_name(raw: str) -> str:
    return f"withheld: {len(raw)} characters" if "reviewerName" in raw else raw


def _placed(path: Path, blocks: "Iterator[pa.Table]") -> "Iterator[pa.Table]":
    """The same tables with no day missing. Rows before the first that has a day wait for it.

    Raises NightmarketError when no row has a readable date.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    waiting: list[pa.Table] = []
    day = pa.scalar(None, pa.date32())
    for rows in blocks:
        if not day.is_valid:
            waiting.append(rows)
            day = next((d for d in rows.column("day") if d.is_valid), day)
            if not day.is_valid:
                continue
            rows, waiting = pa.concat_tables(waiting), []
        column = pa.chunked_array([pa.array([day.as_py()], pa.date32()), *rows.column("day").chunks])
        filled = pc.fill_null_forward(column.combine_chunks()).slice(1)
        if len(rows):
            day = filled[-1]
        yield rows.set_column(rows.schema.get_field_index("day"), "day", filled)
    if waiting:
        raise NightmarketError(f"{path}: no row has a readable date")


def _fold(connection: "duckdb.DuckDBPyConnection") -> date | None:
    """One row an item in `seen`; the first day of all."""
    connection.execute("create or replace table seen as select item_id, min(day) as day from seen group by item_id")
    day: date | None = connection.execute("select min(day) from seen").fetchall()[0][0]
    return day


def _reviews(connection: "duckdb.DuckDBPyConnection", path: Path) -> Iterator[Delivery]:
    for day in _days(connection):
        connection.execute(f"create or replace table keyed_day as {_amazon.KEYED}", {"day": day})
        for entity, query in (
            (REVIEWS, f"from keyed_day order by {LINE}"),
            (EVENTS, _amazon.RATINGS),
            (USERS, _amazon.USERS),
        ):
            yield Delivery(entity.name, day, _stem(path), _rows(connection, query, {}))


def _days(connection: "duckdb.DuckDBPyConnection") -> list[date]:
    return [day for (day,) in connection.execute("select distinct day from kept order by day").fetchall()]


def _rows(connection: "duckdb.DuckDBPyConnection", query: str, values: dict[str, date]) -> "Iterator[pa.RecordBatch]":
    yield from connection.execute(query, values).to_arrow_reader(64 << 10)


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


SOURCE = Source(
    name=NAME,
    description="the public Amazon reviews and metadata as JSON-lines, layouts of 2018 and 2023; --path: one"
    " .json[l][.gz] of reviews, or a folder of them and their metadata",
    timezone="UTC",
    is_closed=lambda day: False,
    land=land,
)
