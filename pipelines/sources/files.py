"""Any CSV, JSON-lines or Parquet files, through a YAML mapping of their columns to the contract's.

    timezone: Europe/Berlin            # of times without an offset
    closed_weekdays: [sunday]          # optional
    entities:
      events:
        glob: orders/*.csv.gz          # below the folder of this file
        delivered_on: filename         # the YYYY-MM-DD in the file's name, or an origin column
        timestamp_format: "%d.%m.%Y %H:%M"   # optional; without it ISO 8601
        columns:                       # contract column: origin column, {const: value}, or {map: {key: origin column}}
          event_type: action
          occurred_at: time
          user_id: customer_mail
        values: {event_type: {bought: purchase}}   # optional
        hash: [customer_mail]          # keyed HMAC-SHA-256, key in NIGHTMARKET_HASH_KEY
        drop: [name, street]           # never read

Reviews, judged queries and support messages are mapped in the same way; see docs/texts.md. Pictures and sounds need the
key `media` besides, the folder that their `uri` is relative to; see docs/media.md. The id of an event or a
review is made of its row where the mapping names none.

Only mapped columns enter. Where anything is hashed or dropped, an unreadable line lands without its text.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.contracts import ENTITIES, LINE, Column
from pipelines.errors import NightmarketError, UsageError
from pipelines.sources import Delivery, LandRequest, Source
from pipelines.sources._mapping import MADE_IDS, WEEKDAYS, EntityMap, Mapping, read_mapping

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

NAME = "files"


def land(request: LandRequest) -> Iterator[Delivery]:
    """Deliver every file of every mapped entity; a file whose name gives its date is skipped outside the range."""
    from pipelines.sources._bench import bench

    if request.path is None:
        raise UsageError(f"source {NAME} needs --path: {SOURCE.description}")
    mapping = read_mapping(request.path)
    with bench(request) as connection:
        for entity in mapping.entities:
            paths = sorted(p for p in request.path.parent.glob(entity.glob) if p.is_file())
            if not paths:
                raise UsageError(f"{request.path}: entities.{entity.name}.glob {entity.glob!r} matches no file")
            for path in paths:
                day = _filename_date(path) if entity.delivered_on == "filename" else None
                if day is None or request.wants(day):
                    yield from _deliver(connection, request, mapping, entity, path, day)


def _filename_date(path: Path) -> date:
    found = re.search(r"\d{4}-\d{2}-\d{2}", path.name)
    try:
        return date.fromisoformat(found.group() if found else "")
    except ValueError as error:
        raise NightmarketError(f"{path}: no date YYYY-MM-DD in the name, but delivered_on is filename") from error


def _deliver(
    connection: "duckdb.DuckDBPyConnection",
    request: LandRequest,
    mapping: Mapping,
    entity: EntityMap,
    path: Path,
    day: date | None,
) -> Iterator[Delivery]:
    from pipelines.sources._bench import UNREADABLE_ROWS, deliveries

    _load(connection, entity, path)
    query, values = _query(mapping, entity, day)
    connection.execute(f"create or replace table parsed as {query}", values)
    lost = UNREADABLE_ROWS
    if day is not None:
        lost = lost.replace("select", f"select date '{day}' as day,", 1)
    rows = f"select * from parsed union all by name {lost}"
    for delivery in deliveries(connection, request, entity.name, path.name.split(".")[0], rows):
        yield dataclasses.replace(delivery, media=_media(request, entity))


def _media(request: LandRequest, entity: EntityMap) -> Callable[[str], bytes] | None:
    if not entity.media or request.path is None:
        return None
    from pipelines.media.delivered import read_inside
    from pipelines.media.kinds import KINDS

    folder = request.path.parent / entity.media
    if not folder.is_dir():
        raise UsageError(f"{request.path}: entities.{entity.name}.media: {folder} is no folder")
    return partial(read_inside, folder, most=KINDS[entity.name].most_bytes)


def _load(connection: "duckdb.DuckDBPyConnection", entity: EntityMap, path: Path) -> None:
    """Origin columns as c0, c1, ... so that no name from a file ever stands in SQL; hashed on the way in."""
    from pipelines.framing import Bad
    from pipelines.sources._bench import load, pseudonym_key, pseudonyms

    bad: list[Bad] = []
    key = pseudonym_key() if entity.hash else b""
    names = [f"c{i}" for i in range(len(entity.origin))]

    def batches() -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        for lines, columns in _read(entity, path, bad):
            for i, name in enumerate(entity.origin):
                if name in entity.hash:
                    columns[i] = pseudonyms(columns[i], key)
            yield from pa.table([lines, *columns], names=[LINE, *names]).to_batches()
        if entity.hash or entity.drop:
            bad[:] = [Bad(b.line, f"withheld: {len(b.raw)} characters", b.reason) for b in bad]

    load(connection, names, batches(), bad)


def _read(entity: EntityMap, path: Path, bad: list[Any]) -> "Iterator[tuple[pa.Array, list[Any]]]":
    """(line numbers, text columns in the order of `entity.origin`), block by block; unreadable rows go to `bad`."""
    from pipelines.sources import _readers

    form = path.name.removesuffix(".gz").rpartition(".")[2]
    if form not in _readers.READERS:
        raise UsageError(f"{path}: entities.{entity.name}.glob must match .csv, .jsonl or .parquet files")
    yield from _readers.READERS[form](path, entity.origin, bad)


def _query(mapping: Mapping, entity: EntityMap, day: date | None) -> tuple[str, dict[str, Any]]:
    """SELECT from `origin` with the contract's columns, `line` and `day`; what comes from the YAML is a parameter."""
    values: dict[str, Any] = {"zone": mapping.timezone, "source": NAME, "format": entity.timestamp_format}
    place = {name: f"c{i}" for i, name in enumerate(entity.origin)}
    contract = {c.name: c for c in ENTITIES[entity.name].columns}
    chosen = {n: _expression(contract[n], rule, entity, place, values) for n, rule in entity.columns.items()}
    selected = [f"{sql} as {name}" for name, sql in chosen.items()]
    values["day"] = day
    on = "" if day else f"{_local(place[entity.delivered_on], entity)}::date"
    inner = f"select {', '.join([*selected, LINE])}, {on or '$day::date'} as day from origin"
    made = MADE_IDS.get(entity.name)
    if made and made not in chosen:
        fields = ", ".join(f"{n}::varchar" for n in chosen)
        inner = (
            f"with mapped_rows as ({inner}), keyed as (select *, row_key($source, [{fields}]) as key from mapped_rows)"
            f" select * exclude (key), event_id(key, row_number() over (partition by key order by {LINE})) as {made}"
            " from keyed"
        )
    return inner, {k: v for k, v in values.items() if f"${k}" in inner}


def _expression(column: Column, rule: Any, entity: EntityMap, place: dict[str, str], values: dict[str, Any]) -> str:
    if isinstance(rule, dict) and "const" in rule:
        values[f"const_{column.name}"] = str(rule["const"])
        return f"$const_{column.name}::varchar"
    if isinstance(rule, dict):
        pairs = []
        for i, (key, origin) in enumerate(rule["map"].items()):
            values[f"key_{column.name}_{i}"] = str(key)
            pairs.append(f"$key_{column.name}_{i}::varchar, {place[origin]}")
        return f"json_object({', '.join(pairs)})::varchar"
    text = place[rule]
    if column.kind == "timestamp":
        offset = f"regexp_matches({text}, '(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$')"
        instant = f"utc_text(try_cast({text} as timestamptz) at time zone 'UTC', 'UTC')"
        local = f"utc_text({_local(text, entity)}, $zone)"
        return f"coalesce(if({offset}, {instant}, null), {local}, {text})"
    cases = []
    for i, (before, after) in enumerate(entity.values.get(column.name, {}).items()):
        values[f"from_{column.name}_{i}"], values[f"to_{column.name}_{i}"] = str(before), str(after)
        cases.append(f"when $from_{column.name}_{i}::varchar then $to_{column.name}_{i}::varchar")
    return f"case {text} {' '.join(cases)} else {text} end" if cases else text


def _local(text: str, entity: EntityMap) -> str:
    if entity.timestamp_format:
        return f"try_strptime({text}, $format)"
    return f"try_cast({text} as timestamp)"


def _options(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    mapping = read_mapping(path)
    return {"timezone": mapping.timezone, "closed_weekdays": list(mapping.closed_weekdays)}


def _with_options(options: dict[str, Any]) -> Source:
    closed = {WEEKDAYS.index(name) for name in options["closed_weekdays"]}
    return dataclasses.replace(SOURCE, timezone=options["timezone"], is_closed=lambda day: day.weekday() in closed)


SOURCE = Source(
    name=NAME,
    description="any CSV, JSON-lines or Parquet files; --path: a YAML file that maps their columns (see this module)",
    timezone="UTC",
    is_closed=lambda day: False,
    land=land,
    options=_options,
    with_options=_with_options,
)
